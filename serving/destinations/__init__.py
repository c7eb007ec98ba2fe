"""Where members go: presets of other tools, the gate of consent and suppression before them, and tables for dashboards."""
