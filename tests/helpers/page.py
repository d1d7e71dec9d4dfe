"""A page of the project as a browser would see it."""

from html.parser import HTMLParser


class Page(HTMLParser):
    """The page as a browser would see it: tags with their attributes, the text, and the content of scripts."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.text, self.scripts, self.open = [], "", [], []
        self.feed(content.decode())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in self.open:
            del self.open[len(self.open) - 1 - self.open[::-1].index(tag) :]

    def handle_data(self, data):
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data.replace("\xa0", " ")

    def count(self, tag):
        return sum(name == tag for name, _ in self.tags)
