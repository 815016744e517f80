"""An element of an XML document, without namespaces."""

from collections.abc import Iterator


class XmlElement:
    """Name, attributes, children and text of an element."""

    __slots__ = ("attributes", "children", "name", "parts")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        """Begin without children."""
        self.name = name
        self.attributes = attributes
        self.children: list[XmlElement] = []
        self.parts: list[str] = []

    @property
    def text(self) -> str:
        """The text of the element, without that of its children."""
        return "".join(self.parts)

    def all(self, name: str) -> Iterator["XmlElement"]:
        """Yield the children of this name."""
        return (child for child in self.children if child.name == name)

    def first(self, *names: str) -> "XmlElement | None":
        """Return the first child of this name, of that its first child of the next, and so on; or None."""
        found: XmlElement | None = self
        for name in names:
            if found is None:
                return None
            found = next(found.all(name), None)
        return found
