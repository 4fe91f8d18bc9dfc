"""How this device is told from others."""
