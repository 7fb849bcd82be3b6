"""What tools/docs does beside Markdown: a page for each public header, and checks of the list of pages and of all links."""
import html.parser
import os
import pathlib
import re
from urllib.parse import unquote, urlsplit

from mkdocs.exceptions import Abort

INCLUDE = pathlib.Path(os.environ["RF_ROOT"], "include/rangefinder")
SCAFFOLD = re.compile(r"^#ifdef __cplusplus\n.*?^#endif\n|^#if defined.*?^#endif\n|^#include.*?\n|^#(ifndef|define) RANGEFINDER_\w+\n|"
                      r"^#endif\n\Z", re.M | re.S)
DECLARES = re.compile(r"^#define (RF_\w+)\b(?<!_ENUM)|^(?:RF_API|static inline) .*?\b(rf_\w+)\(|^(?:typedef [^{\n]*|.*} )\b(rf_\w+);", re.M)
WORDS = re.compile(r"(`[^`]*`|\b(?:rf|RF)_\w+\b(?:\(\))?)|[*_<\[\]]|\b(?:Errors|Owns|Range|Shape|Source|Threads|Units):")


def read_header(path):
    """Its blocks: (names, comment, declarations)."""
    for chunk in re.split(r"\n{2,}|\n(?=/\*)", SCAFFOLD.sub("", path.read_text()).strip()):
        comment = re.match(r"/\* ?(.*?) ?\*/\n?", chunk, re.S)
        code = chunk[comment.end():] if comment else chunk
        names = ["".join(found) for found in DECLARES.findall(code)]
        names = [name for name in dict.fromkeys(names) if not (name.endswith("_sized") and name[:-6] in names)]
        yield names, re.sub(r"\n \* ?", "\n", comment[1]) if comment else "", code.replace("RF_API ", "")


def as_markdown(comment, anchors):
    """Names become code, those that some header declares links; what Markdown would take for its own is escaped."""
    def word(match):
        if match[1] is None:
            return f"&#{ord(match[0])};" if len(match[0]) == 1 else f"**{match[0]}**"
        name = match[1].strip("`")
        return f"[`{name}`]({anchors[name]})" if name in anchors else f"`{name}`"
    text = WORDS.sub(word, comment)
    return re.sub(r"\n(?= - )|(?<=\n) .*\n(?=\S)", lambda line: line[0] + "\n", text)  # lists stand apart


def on_config(config):
    """Writes the headers' pages, and lists them in the section of the C interface."""
    headers = {path.name: list(read_header(path)) for path in sorted(INCLUDE.glob("*.h"))}
    anchors = {name: f"{header}.md#{names[0]}" for header, blocks in headers.items() for names, _, _ in blocks for name in names}
    folder = pathlib.Path(config["docs_dir"], "include")
    folder.mkdir()
    section = next(entry["C interface"] for entry in config["nav"] if "C interface" in entry)
    for header, blocks in headers.items():
        page = f"# {header}\n\n"
        for names, comment, code in blocks:
            page += f"## {', '.join(names)} {{#{names[0]}}}\n\n" if names else ""
            page += as_markdown(comment, anchors) + "\n\n" + (f"```c\n{code}\n```\n\n" if code else "")
        (folder / f"{header}.md").write_text(page)
        section.append({header: f"include/{header}.md"})


def on_nav(nav, config, files):
    unlisted = {page.src_path for page in files.documentation_pages()} - {page.file.src_path for page in nav.pages}
    if unlisted:
        raise Abort(f"tools/site/mkdocs.yml does not list {', '.join(sorted(unlisted))}")


class Page(html.parser.HTMLParser):
    """What a page can be linked by, its links (tag, where it leads), and lines in paragraphs that were meant as lists or tables."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.unformatted, self.tag = set(), [], [], None
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs, self.tag = dict(attrs), tag if tag in ("p", "pre") else self.tag
        self.anchors.add(attrs.get("id"))
        self.links += [(tag, attrs[key]) for key in ("href", "src") if attrs.get(key)]

    def handle_data(self, data):
        if self.tag == "p":
            self.unformatted += re.findall(r"\n((?:- |\| ).*)", data)


def on_post_build(config):
    site = pathlib.Path(config["site_dir"]).resolve()
    (site / "404.html").unlink(missing_ok=True)  # a server's, with links from the server's root
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    wrong = [f"{sheet.relative_to(site)} loads from elsewhere" for sheet in site.rglob("*.css")
             if re.search(r"""(url\(|@import)\s*["']?(https?:)?//""", sheet.read_text())]
    for path, page in pages.items():
        wrong += [f"{path.relative_to(site)}: {line}: a blank line is missing above" for line in page.unformatted]
        for tag, link in page.links:
            to = urlsplit(link)
            target = (path.parent / unquote(to.path)).resolve() if to.path else path
            if to.scheme or to.netloc:
                if tag != "a":
                    wrong.append(f"{path.relative_to(site)} loads {link}")
            elif site not in target.parents or not target.is_file():
                wrong.append(f"{path.relative_to(site)}: {link}: no such file")
            elif to.fragment and target in pages and unquote(to.fragment) not in pages[target].anchors:
                wrong.append(f"{path.relative_to(site)}: {link}: no such place in that page")
    if wrong:
        raise Abort("\n".join(wrong))
