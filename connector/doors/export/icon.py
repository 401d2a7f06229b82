"""The icon as Power Platform wants it: a small square without transparency."""

from __future__ import annotations

import io

_SIDE = 230
_LOGO = 160
"""In pixels: the platform takes squares of 100 to 230, with a logo of at most 70 % of that."""

_NO_ICON = "#50607a"


def tile(icon: bytes) -> tuple[bytes, str]:
    """Return an image as PNG, in the middle of a square of its mean colour, and that colour.

    An empty `icon` makes an empty square. Raises ModuleNotFoundError without Pillow.
    """
    from PIL import Image, ImageStat

    colour, logo = _NO_ICON, None
    if icon:
        logo = Image.open(io.BytesIO(icon)).convert("RGBA")
        mean = ImageStat.Stat(logo.convert("RGB"), mask=logo.getchannel("A")).mean
        colour = "#" + "".join(f"{round(value):02x}" for value in mean)
    made = Image.new("RGB", (_SIDE, _SIDE), colour)
    if logo:
        logo.thumbnail((_LOGO, _LOGO))
        made.paste(logo, ((_SIDE - logo.width) // 2, (_SIDE - logo.height) // 2), logo)
    out = io.BytesIO()
    made.save(out, "PNG", optimize=True)
    return out.getvalue(), colour
