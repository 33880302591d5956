"""What goes over the wire: one module of routes per capability, and what they share."""
