"""Where samples come from: the hub, official folder layouts, synthetic scenes."""
