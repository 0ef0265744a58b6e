"""Names and values of data that try to be markup, a script, a link, or an order to whatever shows them."""

from __future__ import annotations

HOSTILE = (
    "<script>document.title='pwned'</script>",
    "<img src=x onerror=\"document.title='pwned'\">",
    '" onmouseover="document.title=1" x="',
    "'><svg onload=document.title=2>",
    "javascript:document.title=3",
    "{{ 7 * 191 }}{% raw %}${7*191}",
    "</textarea></script></style><b>bold</b>",
    "../../etc/passwd?x=1#y&z=%3Cb%3E",
    "\x1b]0;pwned\x07\x1b[31mred",
    "\u202eevil\u2066",
    "=HYPERLINK(1)",
)
