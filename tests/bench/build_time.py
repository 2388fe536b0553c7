#!/usr/bin/python3
"""What building costs: processor seconds per folder, and the files that cost most.

    tests/bench/build_time.py [--preset PRESET] [--target TARGET]... [--worst N]

Builds a preset from nothing in a directory of its own, without ccache, and measures every compiler
call by itself. The default is what the quick start builds: the preset `release`, the two programs.
With `--preset dev` it is programs and tests.
"""
import argparse
import collections
import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def launch(log, command):
    """Runs a compiler in the place of the build, and writes down what it took."""
    code = subprocess.run(command, check=False).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = command[command.index("-o") + 1] if "-o" in command else "?"
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{used.ru_utime + used.ru_stime:.2f}\t{used.ru_maxrss}\t{output}\n")
    return code


def name_of(output, build):
    """("agent/engine", "agent/engine/moves.cc") of agent/engine/CMakeFiles/x.dir/moves.cc.o."""
    output = os.path.relpath(os.path.join(build, output), build)
    folder, _, rest = output.partition("CMakeFiles/")
    folder = folder.rstrip("/") or "."
    return folder, os.path.join(folder, rest.partition("/")[2].removesuffix(".o"))


def main():
    if len(sys.argv) > 2 and sys.argv[1] == "--launch":
        return launch(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="release")
    parser.add_argument("--target", action="append", default=[])
    parser.add_argument("--worst", type=int, default=10)
    arguments = parser.parse_args()
    targets = arguments.target or (["syncd", "syncagent"] if arguments.preset == "release" else [])

    build = tempfile.mkdtemp(prefix="filesync-build-time-", dir="/var/tmp")
    log = os.path.join(build, "calls.tsv")
    launcher = ";".join([sys.executable, os.path.abspath(__file__), "--launch", log])
    try:
        subprocess.run(["cmake", "--preset", arguments.preset, "-B", build, "-S", ROOT,
                        "-DCCACHE_PROGRAM=OFF", f"-DCMAKE_CXX_COMPILER_LAUNCHER={launcher}",
                        f"-DCMAKE_C_COMPILER_LAUNCHER={launcher}"], check=True, cwd=ROOT,
                       stdout=subprocess.DEVNULL)
        began = time.monotonic()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["cmake", "--build", build,
                        *[word for target in targets for word in ("--target", target)]],
                       check=True, stdout=subprocess.DEVNULL)
        wall = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(log, encoding="utf-8") as file:
            calls = [line.rstrip("\n").split("\t") for line in file]
    finally:
        shutil.rmtree(build, ignore_errors=True)

    folders, files = collections.Counter(), []
    for seconds, memory, output in calls:
        folder, file = name_of(output, build)
        folders[folder] += float(seconds)
        files.append((float(seconds), int(memory) / 1024, file))
    print(f"preset {arguments.preset}, {shlex.join(targets) or 'all'}, {os.cpu_count()} processors")
    total = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{total:.0f} CPU s ({total / 60:.1f} minutes), {wall:.0f} s; the largest compiler takes "
          f"{max(memory for _, memory, _ in files):.0f} MiB\n")
    for folder, seconds in folders.most_common():
        print(f"{seconds:8.1f}  {folder}")
    print()
    for seconds, memory, file in sorted(files, reverse=True)[:arguments.worst]:
        print(f"{seconds:8.1f}  {memory:5.0f} MiB  {file}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"build_time: {shlex.join(error.cmd)} failed")
