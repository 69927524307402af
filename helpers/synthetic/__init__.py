"""How synthetic scenes are painted: a canvas, surfaces, things, buildings, and the eight kinds of landscape."""
