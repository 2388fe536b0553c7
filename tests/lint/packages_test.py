"""deploy/packages.sh against what the project uses.

Every header, Python module, CMake package and named tool that is used belongs to a package that one
of the lists has, and every package that is listed is used by something: taking it out of all lists is
noticed here. That it stands in the right list shows when the pipeline runs in a bare root. What
belongs to which package is asked of dpkg, so this test looks at a machine that has them (as
tests/run.sh leaves it).
"""
import ast
import glob
import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.dirname(os.environ.get("FILESYNC_BIN", os.path.join(ROOT, "build", "dev", "bin")))

# Packages that stand for others: what these depend on is listed with them.
STAND_FOR_OTHERS = {"build-essential", "pkg-config", "python3"}
# What other groups need is not installed where this runs: tool, its package.
ELSEWHERE = {
    "clang++-14": "clang-14", "clang-tidy-14": "clang-tidy-14",
    "clang-format-14": "clang-format-14", "npx": "npm", "lintian": "lintian",
    "dh_builddeb": "debhelper", "dockerd": "docker.io", "docker-compose": "docker-compose",
    "debootstrap": "debootstrap", "ip": "iproute2", "rsync": "rsync",
    "systemd-nspawn": "systemd-container",
}
# Used without a name of a file: what in our sources shows it, its package.
DATA = {
    r"\bnpx\b|\bgo install|\"go\", \"install\"": "ca-certificates",
    r"benchmark/benchmark\.h": "libbenchmark-dev",
    r'"go", "install"': "golang-go",
    r'"FILESYNC_SANITIZE": ': "libclang-rt-14-dev",
    r"llvm-symbolizer": "llvm-14",
}
# Names of tools that are other things in our scripts: builtins, commands of ours; and a package of
# which all are.
OTHER_THINGS = {"procps"}
WORDS = {"man", "file", "column", "host", "script", "write"}
INCLUDE_DIRECTORIES = ["/usr/include", "/usr/include/x86_64-linux-gnu",
                       "/usr/include/aarch64-linux-gnu"]
TOOL_DIRECTORIES = ("/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/")


def groups():
    with open(os.path.join(ROOT, "deploy", "packages.sh"), encoding="utf-8") as file:
        found = re.findall(r'^PACKAGES_(\w+)="([^"]*)"', file.read(), re.MULTILINE)
    return {name: set(text.split()) for name, text in found}


def tracked(*suffixes):
    listing = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True)
    for name in listing.stdout.decode().split("\0"):
        path = os.path.join(ROOT, name)
        if name.endswith(suffixes) and os.path.isfile(path):
            with open(path, encoding="utf-8") as file:
                yield name, file.read()


class Debian:
    """What dpkg knows of this machine."""

    def __init__(self):
        self.owners = {}
        for listing in glob.glob("/var/lib/dpkg/info/*.list"):
            package = os.path.basename(listing).removesuffix(".list").split(":")[0]
            with open(listing, encoding="utf-8") as file:
                for line in file:
                    self.owners.setdefault(line.rstrip("\n"), package)
        self.depends = {}
        self.base = set()
        shown = subprocess.run(
            ["dpkg-query", "-W", "-f",
             "${Package}\t${Essential}\t${Priority}\t${Pre-Depends}, ${Depends}\n"],
            capture_output=True, text=True, check=True).stdout
        for line in shown.splitlines():
            package, essential, priority, depends = line.split("\t")
            self.depends[package] = set(re.findall(r"(?:^|[,|]\s*)([a-z0-9][a-z0-9.+-]*)", depends))
            if essential == "yes" or priority == "required":  # what a bare root has
                self.base.add(package)
        self.base = self.closure(self.base)
        self.tools = {}
        for path, package in self.owners.items():
            if path.startswith(TOOL_DIRECTORIES):
                self.tools.setdefault(os.path.basename(path), package)

    def closure(self, packages):
        found, waiting = set(), list(packages)
        while waiting:
            package = waiting.pop()
            if package not in found:
                found.add(package)
                waiting += self.depends.get(package, ())
        return found

    def owner(self, path):
        """The package that has the file, also behind links; None when it is nobody's."""
        for candidate in (path, os.path.realpath(path)):
            for form in (candidate, candidate.removeprefix("/usr"), "/usr" + candidate):
                if form in self.owners:
                    return self.owners[form]
        return None


def headers():
    for name, text in tracked(".h", ".cc"):
        for header in re.findall(r'^#include [<"]([^">]+)[">]', text, re.MULTILINE):
            for directory in INCLUDE_DIRECTORIES:
                path = os.path.join(directory, header)
                if os.path.exists(path):
                    yield f"<{header}> in {name}", path
                    break


def configured():
    """What CMake found, and what the build names."""
    with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as file:
        for line in file:
            match = re.match(r"([\w.+-]+):(?:FILEPATH|PATH|INTERNAL)=(/usr/[^;\[\]]+)$",
                             line.rstrip("\n"))
            # Directories that many packages share tell nothing.
            if match and (os.path.isfile(match[2]) or match[1].endswith("_DIR")):
                path = match[2]
                if os.path.isdir(path):
                    inside = sorted(glob.glob(os.path.join(path, "*.cmake")))
                    if not inside:
                        continue
                    path = inside[0]
                yield f"{match[1]} of CMake", path
    with open(os.path.join(BUILD, "build.ninja"), encoding="utf-8") as file:
        # Sources; or, where several are compiled as one, the directory that they are in.
        for path in sorted(set(re.findall(r"/usr/share/cargo/[^ :$\n]+", file.read()))):
            if os.path.isdir(path):
                path = os.path.join(path, sorted(os.listdir(path))[0])
            if os.path.isfile(path):
                yield "a source of the build", path


def required_modules():
    """The pkg-config modules that are asked for, and those that these need."""
    asked = set()
    for _, text in tracked("CMakeLists.txt"):
        asked |= set(re.findall(r"pkg_check_modules\(\w+ REQUIRED IMPORTED_TARGET ([\w.-]+)\)", text))
    seen, waiting = set(), sorted(asked)
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        told = subprocess.run(
            ["pkg-config", "--print-requires", "--print-requires-private", module],
            capture_output=True, text=True, check=False).stdout
        waiting += [line.split()[0] for line in told.splitlines() if line.strip()]
        where = subprocess.run(["pkg-config", "--variable=pcfiledir", module],
                               capture_output=True, text=True, check=False).stdout.strip()
        yield f"module {module} of pkg-config", f"{where}/{module}.pc" if where else None


def modules():
    import importlib.util  # only here: the rest of the file is about text
    ours = {os.path.basename(name).removesuffix(".py") for name, _ in tracked(".py")}
    for name, text in tracked(".py"):
        for node in ast.walk(ast.parse(text)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for module in {full.split(".")[0] for full in names} - ours:
                spec = importlib.util.find_spec(module)
                if spec is None:
                    yield f"module {module} in {name}", None
                elif spec.origin and spec.origin.startswith("/"):
                    yield f"module {module} in {name}", spec.origin
            # Modules of one name in several packages: google.protobuf.
            for full in names:
                if full.startswith("google.protobuf"):
                    spec = importlib.util.find_spec("google.protobuf")
                    yield f"module {full} in {name}", spec.origin if spec else None


def words():
    """Every word of our scripts that may be a tool's name: (where, word)."""
    for name, text in tracked(".sh", ".cmake", "CMakeLists.txt", "CMakePresets.json",
                              ".ci/run", "deploy/debian/rules"):
        if name == "deploy/packages.sh":
            text = text[text.index("# Runs a command"):]
        text = re.sub(r"(?m)(^|\s)#.*$", "", text)
        for word in set(re.findall(r"(?<![\w./-])[a-z][\w.+-]*(?![\w/])", text)):
            yield f"'{word}' in {name}", word.rstrip(".")
    for name, text in tracked(".py"):
        if name == "tests/lint/packages_test.py":
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield f"'{node.value}' in {name}", os.path.basename(node.value) \
                    if node.value.startswith(TOOL_DIRECTORIES) else node.value


def usages(debian):
    """{package: where it is used}; what is not there at all stands under None."""
    found = {}
    for where, path in [*headers(), *configured(), *required_modules(), *modules()]:
        found.setdefault(debian.owner(path) if path else None, where)
    for where, word in words():
        package = ELSEWHERE.get(word) or (word not in WORDS and debian.tools.get(word)) or ""
        if package and package not in OTHER_THINGS:
            found.setdefault(package, where)
    for pattern, package in DATA.items():
        for name, text in tracked(".cc", ".py", ".sh", ".ci/run", "CMakePresets.json"):
            if name != "tests/lint/packages_test.py" and re.search(pattern, text):
                found.setdefault(package, f"/{pattern}/ in {name}")
    return found


def problems(listed, used, debian):
    """Packages that are used and not listed."""
    covered = listed | debian.base | debian.closure(STAND_FOR_OTHERS & listed)
    return [f"{package or 'no package'}: {where}" for package, where in sorted(
        used.items(), key=str) if package not in covered]


@unittest.skipUnless(os.path.exists("/var/lib/dpkg/info"), "only Debian knows Debian's packages")
class PackagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.debian = Debian()
        cls.groups = groups()
        cls.listed = set().union(*cls.groups.values())
        cls.used = usages(cls.debian)

    def test_what_is_used_is_listed(self):
        found = problems(self.listed, self.used, self.debian)
        self.assertEqual([], found, "\n" + "\n".join(found))

    def test_taking_out_any_package_is_noticed(self):
        complaints = set(problems(self.listed, self.used, self.debian))
        silent = [package for package in sorted(self.listed)
                  if not set(problems(self.listed - {package}, self.used, self.debian)) - complaints]
        self.assertEqual([], silent, "listed, and nothing is seen to use it")

    def test_building_needs_no_package_of_the_tests(self):
        """The quick start installs `build` alone."""
        for path in glob.glob(os.path.join(ROOT, "build", "release", "CMakeCache.txt")):
            with open(path, encoding="utf-8") as file:
                self.assertNotRegex(file.read(), "(?i)rapidcheck|gtest_DIR")


if __name__ == "__main__":
    unittest.main()
