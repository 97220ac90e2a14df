"""When an incident began, and which features had drifted by then."""
