"""The house stands: imports go down only, files and functions stay short, --help stays light."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("catdog", "data_tools")

FLOORS = {
    0: "errors archive _members pictures schema _manifest _wire shards inspection inquest images "
    "_budget _fast _pillow registry flags checks cli files signals html",
    1: "data augmentations models evaluators optimizers schedules",
    2: "training reports",
    3: "config model_options agreement parts warm_start resume listeners feed experiment",
    4: "train evaluate predict preview export report",
    5: "api",
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
# Floor 0 is the ground that all stand on, and floor 3 puts one run together: within these two,
# modules may import each other, though never in a circle.
SHARED_FLOORS = (0, 3)

HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "matplotlib", "sklearn"}
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50
VAGUE_NAMES = {"utils.py", "util.py", "helpers.py", "helper.py", "common.py", "misc.py"}

pytestmark = pytest.mark.repository


def _python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_module(path): path for path in _python_files(*PACKAGES)}
ALL_FILES = _python_files(*PACKAGES, "tests", "benchmarks")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def _nodes(tree: ast.AST, *, at_import: bool) -> Iterator[ast.AST]:
    """All nodes below `tree`; with `at_import` only those that importing the module runs."""
    for child in ast.iter_child_nodes(tree):
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if at_import and (inside or _is_type_checking(child)):
            continue
        yield child
        yield from _nodes(child, at_import=at_import)


def _imports(path: Path, *, at_import: bool) -> set[str]:
    """The full names of the modules that the file at `path` imports."""
    found: set[str] = set()
    for node in _nodes(_tree(path), at_import=at_import):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; spell the name out"
            # `from catdog import flags` imports a module, `from catdog.flags import option` not.
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in MODULES else str(node.module))
    return found


def _room(module: str) -> str:
    """catdog.models.alexnet -> models; everything in data_tools is one room."""
    package, *rest = module.split(".")
    return rest[0] if package == "catdog" and rest else package


def _floor(module: str) -> int:
    if module.startswith("data_tools"):
        return 1
    return FLOOR_OF[_room(module)]


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"catdog"}))
def test_every_module_stands_on_a_floor(module: str) -> None:
    package = module.split(".")[0]
    assert package == "data_tools" or _room(module) in FLOOR_OF, (
        f"{module} has no floor: add its room to FLOORS, and to the picture in docs/design.md"
    )


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"catdog"}))
def test_imports_go_down_only(module: str) -> None:
    for target in _imports(MODULES[module], at_import=False):
        if target.split(".")[0] not in PACKAGES or target == "catdog":
            continue
        if _room(target) == _room(module):
            continue
        assert not (module.startswith("catdog") and target.startswith("data_tools")), (
            f"{module} imports {target}: the library never imports the tools"
        )
        if module.startswith("data_tools"):
            assert _floor(target) == 0, f"{module} imports {target}, which is above floor 0"
        here, there = _floor(module), _floor(target)
        level = here == there and here in SHARED_FLOORS
        assert there < here or level, (
            f"{module} (floor {here}) imports {target} (floor {there}): imports go down only"
        )


def test_package_root_imports_nothing() -> None:
    assert _imports(MODULES["catdog"], at_import=False) == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        name: _imports(path, at_import=False) & set(MODULES) - {name}
        for name, path in MODULES.items()
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def _reaches(module: str) -> dict[str, str]:
    """Every module that importing `module` imports, each with the one that asks for it."""
    asked: dict[str, str] = {}
    waiting = [module]
    while waiting:
        importer = waiting.pop()
        for target in _imports(MODULES[importer], at_import=True):
            parents = [target.rsplit(".", drop)[0] for drop in range(target.count(".") + 1)]
            for name in parents:
                if name not in asked:
                    asked[name] = importer
                    waiting += [name] if name in MODULES else []
    return asked


def _must_import_fast(module: str) -> bool:
    return module.startswith("data_tools") or module == "catdog.config" or _floor(module) in (0, 4)


@pytest.mark.parametrize("module", sorted(set(MODULES) - {"catdog"}))
def test_help_and_build_workers_import_nothing_heavy(module: str) -> None:
    if not _must_import_fast(module):
        return
    asked = _reaches(module)
    for heavy in HEAVY & set(asked):
        pytest.fail(
            f"importing {module} imports {heavy} by way of {asked[heavy]}: import it in a function"
        )


@pytest.mark.parametrize("module", sorted(name for name in MODULES if "data_tools" in name))
def test_only_the_tfds_source_uses_tensorflow_in_data_tools(module: str) -> None:
    roots = {name.split(".")[0] for name in _imports(MODULES[module], at_import=False)}
    used = roots & {"tensorflow", "keras", "tensorflow_datasets"}
    assert not used or module == "data_tools.sources.tfds", f"{module} uses {sorted(used)}"


def test_only_the_command_line_knows_absl_flags() -> None:
    readers = {
        name
        for name, path in MODULES.items()
        if any(target.startswith("absl") for target in _imports(path, at_import=False))
    }
    assert readers <= {"catdog.flags", "catdog.cli"}


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short_and_files_well_named(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{path} has {lines} lines: split it by what it does"
    assert path.name not in VAGUE_NAMES, f"{path}: name the file by what it holds"
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{path}:{node.lineno} {node.name}: {length} lines"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_options_are_spelled_out_in_signatures(module: str) -> None:
    for node in ast.walk(_tree(MODULES[module])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.args.kwarg is None, f"{module}:{node.lineno} {node.name} takes **kwargs"
