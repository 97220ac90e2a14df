"""Proxies: fast signals that stand in for late labels, and how far they may be trusted."""
