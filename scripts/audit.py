"""Ask for known weaknesses of the installed packages; run by `make audit`.

Packages with known weaknesses are an error. Where the service that knows them cannot be
reached, or does not answer in time, this is told, and no error.
"""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = (sys.executable, "-m", "pip_audit", "--format", "json", "--skip-editable")
QUIET = ("--progress-spinner", "off", "--timeout", "15")
SECONDS = 55
UNREACHABLE = ("ConnectionError", "Could not connect", "Max retries", "timed out")
UNREACHABLE += ("ServiceError", "JSONDecodeError")  # it answers, but nothing of use


def main() -> int:
    """Print each weakness and return how the script ends."""
    command = [*COMMAND, *QUIET, *sys.argv[1:]]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except subprocess.TimeoutExpired:
        print("audit: the service of advisories does not answer: nothing checked")
        return 0
    if not done.stdout.lstrip().startswith("{"):
        if any(text in done.stderr for text in UNREACHABLE):
            print("audit: the service of advisories cannot be reached: nothing checked")
            return 0
        print(f"audit: pip-audit failed:\n{done.stderr}")
        return 1
    packages = json.loads(done.stdout)["dependencies"]
    weak = [(package, bug) for package in packages for bug in package.get("vulns", ())]
    for package, bug in weak:
        mended = ", ".join(bug["fix_versions"]) or "no release yet"
        print(f"{package['name']} {package['version']}: {bug['id']} (mended: {mended})")
    print(f"audit: {len(packages)} packages, {len(weak)} known weaknesses")
    return int(bool(weak))


if __name__ == "__main__":
    sys.exit(main())
