"""A badge with the total of coverage, as SVG."""

from __future__ import annotations

from string import Template

#: From this many percent on, this colour; those that shields.io uses.
_COLOURS = ((95, "#4c1"), (90, "#97ca00"), (75, "#a4a61d"), (60, "#dfb317"), (40, "#fe7d37"), (0, "#e05d44"))
_LABEL_WIDTH = 61  # pixels
_SVG = Template("""\
<svg xmlns="http://www.w3.org/2000/svg" width="$width" height="20" role="img" aria-label="coverage: $value">
<title>coverage: $value</title>
<clipPath id="r"><rect width="$width" height="20" rx="3" fill="#fff"/></clipPath>
<g clip-path="url(#r)">
<rect width="$label" height="20" fill="#555"/>
<rect x="$label" width="$rest" height="20" fill="$colour"/>
</g>
<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">
<text x="$label_middle" y="14">coverage</text>
<text x="$value_middle" y="14">$value</text>
</g>
</svg>
""")


def badge(percent: float) -> str:
    """The SVG for a total in percent, rounded down: 99.9 is not 100."""
    value = f"{int(percent)}%"
    rest = 15 + 7 * len(value)
    return _SVG.substitute(
        value=value,
        colour=next(colour for least, colour in _COLOURS if percent >= least),
        width=_LABEL_WIDTH + rest,
        label=_LABEL_WIDTH,
        rest=rest,
        label_middle=_LABEL_WIDTH / 2,
        value_middle=_LABEL_WIDTH + rest / 2,
    )
