"""Statistics as pure functions of counts and sums; each answers or says why it cannot."""
