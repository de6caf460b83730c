"""The figures as an SVG, readable on light and on dark pages."""

from html import escape

SHOWN = ["holdall", "bupstash", "restic", "rustic", "borg", "tar"]
PANELS = [("first", "wall_s", "first backup"), ("nochange", "wall_s", "nothing changed"),
          ("next", "wall_s", "next version"), ("restore", "wall_s", "full restore"), ("check", "wall_s", "check all data"),
          ("first", "repository_bytes", "repository"), ("next", "added_bytes", "next version adds")]
TREES = {"SRC": "Linux sources", "SMALL": "npm packages and crates"}
STYLE = """
  text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #57606a }
  .title { font-size: 14px; font-weight: 600; fill: #1f2328 } .own { font-weight: 600; fill: #1f2328 }
  rect { fill: #b6bec8 } rect.own { fill: #1a7f5a }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 } .title, .own { fill: #f0f6fc } rect { fill: #4a525c } rect.own { fill: #3fb68b }
  }"""

NAME_WIDTH, BAR_WIDTH, VALUE_WIDTH, BAR_HEIGHT, GAP = 66, 190, 70, 12, 6
COLUMN_WIDTH = NAME_WIDTH + BAR_WIDTH + VALUE_WIDTH
PANEL_HEAD, PANEL_FOOT, MARGIN, TOP = 24, 14, 16, 34


def value_text(value, figure):
    if figure == "wall_s":
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    return f"{value / 1e6:.0f} MB" if value >= 1e7 else f"{value / 1e6:.1f} MB"


def own_figure(medians, corpus, tool, measure, figure):
    return medians.get(corpus, tool, measure, figure)


def panel(medians, corpus, measure, figure, title, x, y):
    """One measure of one corpus as bars, shortest value shortest; returns the elements and the height."""
    figures = [(tool, medians.get(corpus, tool, measure, figure)) for tool in SHOWN]
    figures = [(tool, value) for tool, value in figures if value is not None]
    longest = max((value for _, value in figures), default=0) or 1
    parts = [f'<text class="title" x="{x}" y="{y + 14}">{escape(title)}</text>']
    for line, (tool, value) in enumerate(figures):
        top = y + PANEL_HEAD + line * (BAR_HEIGHT + GAP)
        own = ' class="own"' if tool == "holdall" else ""
        width = max(1.0, value / longest * BAR_WIDTH)
        base = top + BAR_HEIGHT - 2
        parts += [
            f'<text{own} x="{x + NAME_WIDTH - 8}" y="{base}" text-anchor="end">{escape(tool)}</text>',
            f'<rect{own} x="{x + NAME_WIDTH}" y="{top}" width="{width:.1f}" height="{BAR_HEIGHT}" rx="2"/>',
            f'<text{own} x="{x + NAME_WIDTH + width + 6:.1f}" y="{base}">{value_text(value, figure)}</text>',
        ]
    return parts


def draw(results, medians):
    """All panels, one column a corpus."""
    corpora = [corpus for corpus in TREES if corpus in results["corpora"]]
    panel_height = PANEL_HEAD + len(SHOWN) * (BAR_HEIGHT + GAP) + PANEL_FOOT
    panels = [p for p in PANELS if any(medians.get(c, t, p[0], p[1]) for c in corpora for t in SHOWN)]
    width = MARGIN * 2 + len(corpora) * (COLUMN_WIDTH + 2 * MARGIN) - 2 * MARGIN
    height = TOP + len(panels) * panel_height + MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             f'role="img" aria-label="holdall beside other backup tools">', f"<style>{STYLE}\n</style>"]
    for column, corpus in enumerate(corpora):
        x = MARGIN + column * (COLUMN_WIDTH + 2 * MARGIN)
        facts = results["corpora"][corpus]
        head = f"{TREES[corpus]}: {facts['files']:,} files, {facts['bytes'] / 1e9:.1f} GB"
        parts.append(f'<text x="{x}" y="{MARGIN + 4}">{escape(head)}</text>')
        for row, (measure, figure, title) in enumerate(panels):
            parts += panel(medians, corpus, measure, figure, title, x, TOP + row * panel_height)
    return "\n".join([*parts, "</svg>", ""])
