"""Write the software bill of materials: `python -m tools.sbom [FILE]` (CycloneDX 1.6 as JSON).

Required components are those of requirements/runtime.lock. What only an extra of pyproject.toml brings
(PostgreSQL, OpenTelemetry) is optional. Each has its version, package address, license, the hashes of its
files and who needs it. The same lock gives the same bytes: there is no time in it, and the serial number is
made from the content.
"""

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.bom_ref import BomRef
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import authfactor
from tools import licenses, locks

# For a package whose metadata name several SPDX licenses could match; from the package's own license file.
PRECISELY = {
    "colorama": "BSD-3-Clause",
    "fido2": "Apache-2.0 AND BSD-2-Clause AND MPL-2.0",
    "httpx": "BSD-3-Clause",
    "jinja2": "BSD-3-Clause",
}


def component(package: locks.Pinned, *, required: bool) -> Component:
    """Describe one package."""
    address = PackageURL("pypi", name=package.name, version=package.version)
    expression = PRECISELY.get(package.name) or licenses.license_of(package.name)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(address)),
        comment="SHA-256 of every file that the lock accepts",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in package.hashes],
    )
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(address),
        purl=address,
        scope=ComponentScope.REQUIRED if required else ComponentScope.OPTIONAL,
        licenses=[LicenseFactory().make_from_string(expression)] if expression else [],
        external_references=[files],
        properties=[Property(name="authfactor:only-where", value=package.marker)] if package.marker else [],
    )


def edges(found: dict[str, locks.Pinned], refs: dict[str, BomRef]) -> Iterator[Dependency]:
    """Yield the dependencies of each package and of the product."""
    direct = locks.read("runtime.lock")
    own = {name for name, each in direct.items() if locks.OURSELVES in each.asked_by} | locks.extras()
    for name, ref in refs.items():
        needs = (
            own
            if name == locks.OURSELVES
            else {each.name for each in found.values() if name in each.asked_by}
        )
        yield Dependency(ref, [Dependency(refs[each]) for each in sorted(needs)])


def bom() -> Bom:
    """Return the bill of materials."""
    found, required = locks.of_a_server()
    made = Bom()
    made.metadata.timestamp = None  # type: ignore[assignment]  # the setter takes it: no time, the same bytes
    ourselves = Component(
        name=locks.OURSELVES,
        version=authfactor.__version__,
        type=ComponentType.APPLICATION,
        bom_ref=locks.OURSELVES,
        licenses=[LicenseFactory().make_from_string("MIT")],
    )
    made.metadata.component = ourselves
    parts = {name: component(each, required=name in required) for name, each in found.items()}
    for each in parts.values():
        made.components.add(each)
    refs = {locks.OURSELVES: ourselves.bom_ref} | {name: each.bom_ref for name, each in parts.items()}
    for edge in edges(found, refs):
        made.dependencies.add(edge)
    made.serial_number = uuid.UUID(int=0)
    made.serial_number = uuid.uuid5(uuid.NAMESPACE_OID, JsonV1Dot6(made).output_as_string())
    return made


def main() -> int:
    """Write the bill to the given file or to standard output."""
    text = JsonV1Dot6(made := bom()).output_as_string(indent=2) + "\n"
    if len(sys.argv) == 1:
        print(text, end="")
        return 0
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"sbom: {path}, {len(made.components)} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
