"""Models by name: presets in `presets.yaml`, adapters found through one registry."""
