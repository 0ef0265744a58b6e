"""Foreign text: what data, definitions, events and git say, made plain for whatever shows it.

Each function is for one reader: the terminal, a Mermaid chart, an HTML or SVG page, a spreadsheet.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line feed, DEL, C1: a terminal obeys them
    "\u2028\u2029"  # line breaks to some readers
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"  # they turn the order of what stands around them
    "\ufff9-\ufffb\U000e0000-\U000e007f"  # they hide what stands between them, or are a text that nobody sees
    "\ufeff\ud800-\udfff]"  # a lone surrogate can't even be written
)
_BREAKS = re.compile(r"[\t\n]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# The last four are the wide ones of Asian keyboards, which spreadsheets take as well.
_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>#|~]")
_JIRA = re.compile(r"[\\{}\[\]*_^~+!|]")
_JIRA_BLOCK = re.compile(r"\{(?=(?:code|noformat)\b)")
_NOT_PLAIN = re.compile(r"[^\w .,:/()+-]", re.ASCII)


def for_terminal(text: str) -> str:
    """Return a text that a terminal shows and does not obey; its lines stay lines."""
    return _UNSEEN.sub(_escaped, text)


def for_terminal_line(text: str) -> str:
    """Return a text as `for_terminal` does, on one line."""
    return _BREAKS.sub(_escaped, for_terminal(text))


def for_html(text: str) -> str:
    """Return a text for HTML and SVG, inside elements and quoted attributes alike."""
    return html.escape(for_terminal(text))


def for_mermaid(text: str) -> str:
    """Return a text for a quoted label of a Mermaid chart: nothing in it ends the label, or is HTML or Markdown."""
    return _NOT_PLAIN.sub(lambda found: f"#{ord(found[0])};", for_terminal_line(text))


def for_markdown(text: str) -> str:
    """Return a text as code in a line or a cell of Markdown: no markup in it counts, and no name in it is called."""
    shown = for_terminal_line(text).replace("|", "\\|").strip() or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    inside = f" {shown} " if len(fence) > 1 else shown
    return f"{fence}{inside}{fence}"


def for_markdown_prose(text: str) -> str:
    """Return a text as words of Markdown: no markup in it counts, and nobody is called by it."""
    return _MARKDOWN.sub(r"\\\g<0>", for_terminal_line(text)).replace("@", "@\u200b")


def for_markdown_block(lines: Iterable[str], language: str) -> str:
    """Return lines as a block of code in Markdown, which none of them ends; tabs stay, as a patch needs them."""
    shown = ["\t".join(map(for_terminal_line, line.split("\t"))) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}{language}", *shown, fence])


def for_jira(text: str) -> str:
    """Return a text as words of Jira's markup: no markup in it counts, and nobody is called by it."""
    return _JIRA.sub(r"\\\g<0>", for_terminal_line(text)).replace("@", "@\u200b")


def for_jira_block(lines: Iterable[str], language: str) -> str:
    """Return lines as a block in Jira's markup, which none of them ends; tabs stay, as a patch needs them."""
    shown = ["\t".join(map(for_terminal_line, line.split("\t"))) for line in lines]
    kind = "noformat" if language == "text" else f"code:{language}"
    inside = [_JIRA_BLOCK.sub("{\u200b", line) for line in shown]
    return "\n".join([f"{{{kind}}}", *inside, f"{{{kind.partition(':')[0]}}}"])


def for_spreadsheet(value: object) -> object:
    """Return a value for a cell of a CSV file: no text in it is taken for a formula, or obeyed by a terminal."""
    if not isinstance(value, str):
        return value
    return for_terminal(f"'{value}" if value.startswith(_FORMULA) else value)


def _escaped(found: re.Match[str]) -> str:
    letter = found[0]
    short = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}.get(letter)
    return short or _number(ord(letter))


def _number(of: int) -> str:
    return f"\\x{of:02x}" if of < 0x100 else f"\\u{of:04x}" if of < 0x10000 else f"\\U{of:08x}"
