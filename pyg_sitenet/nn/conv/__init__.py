"""The attention layer: `SiteNetConv`, its inputs, and the form for equal pairs."""
