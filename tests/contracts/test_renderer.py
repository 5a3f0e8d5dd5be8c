"""Rule R6: one renderer of templates, and it is the sandboxed one."""

from __future__ import annotations

import ast

from trees import files, spelt

RENDERER = "encoding/templates/sandbox.py"
PARITY = "exports/_words.py"  # asks transformers itself, and only about a template that the sandbox rendered before


def test_templates_are_rendered_by_one_environment_which_is_sandboxed_and_immutable():
    derived = [(file.name, spelt(base)) for file in files() for node in ast.walk(file.tree)
               if isinstance(node, ast.ClassDef) for base in node.bases if spelt(base).endswith("Environment")]
    assert derived == [(RENDERER, "ImmutableSandboxedEnvironment")]


def test_no_other_environment_is_made():
    makers = [file.at(call) for file in files() for call in file.calls() if spelt(call).endswith("Environment")]
    assert not makers


def test_jinja_is_imported_by_the_encoding_only():
    importers = {file.name for file in files() for _, name in file.imports(at_import=False)
                 if name.split(".")[0] == "jinja2"}
    assert importers <= {RENDERER, "encoding/templates/template.py", "encoding/templates/beginnings.py", PARITY}


def test_transformers_never_renders_a_template():
    renderers = [file.at(call) for file in files() if file.name != PARITY for call in file.calls()
                 if spelt(call).endswith((".apply_chat_template", "render_jinja_template"))]
    assert not renderers
