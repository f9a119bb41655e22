"""deploy/build goes on with whatever lies in a build folder: README's "cmake -B build" in front of the quickstart and the tests, by any generator."""
import shutil
import subprocess

from deployed import ROOT, need, run

PROJECT = """cmake_minimum_required(VERSION 3.25)
project(small LANGUAGES C)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY $<1:${CMAKE_BINARY_DIR}>)
add_executable(mailweir main.c)
"""


def tree(world, name):
    """The script with a project that is built in no time."""
    root = world.folder / name
    (root / "deploy").mkdir(parents=True)
    shutil.copy(ROOT / "deploy/build", root / "deploy")
    (root / "CMakeLists.txt").write_text(PROJECT)
    (root / "main.c").write_text("int main(void) { return 0; }\n")
    return root


def build(root, *words):
    (root / "build/mailweir").unlink(missing_ok=True)
    run(root / "deploy/build", root / "build", *words)
    assert subprocess.run([root / "build/mailweir"]).returncode == 0


def cached(root, name):
    return next(line.split("=", 1)[1] for line in (root / "build/CMakeCache.txt").read_text().splitlines() if line.startswith(name + ":"))


def test_any_generator_before(world):
    need("cmake", "ninja", "make")
    for number, generator in enumerate(("Unix Makefiles", "Ninja", "Ninja Multi-Config")):
        root = tree(world, f"tree{number}")
        run("cmake", "-S", root, "-B", root / "build", "-G", generator, "-DMINE=kept")
        build(root, "mailweir")
        build(root, "-DMORE=yes", "mailweir")
        assert (cached(root, "CMAKE_GENERATOR"), cached(root, "MINE"), cached(root, "MORE")) == (generator, "kept", "yes")


def test_nothing_before_and_what_cannot_be_gone_on_with(world):
    need("cmake", "ninja")
    root = tree(world, "tree")
    build(root)
    assert cached(root, "CMAKE_GENERATOR") == "Ninja"
    root = root.rename(world.folder / "moved")
    build(root, "mailweir")
    assert cached(root, "CMAKE_HOME_DIRECTORY") == str(root)
    shutil.rmtree(root / "build")
    (root / "build").mkdir()
    (root / "build/CMakeCache.txt").write_text("CMAKE_GENERATOR:INTERNAL=Unix Makefiles\nCMAKE_MAKE_PROGRAM:FILEPATH=CMAKE_MAKE_PROGRAM-NOTFOUND\n"
                                               f"CMAKE_HOME_DIRECTORY:INTERNAL={root}\nCMAKE_CACHEFILE_DIR:INTERNAL={root}/build\n")
    build(root)  # where make is not installed, a first "cmake -B build" leaves that
    assert cached(root, "CMAKE_GENERATOR") == "Ninja"
