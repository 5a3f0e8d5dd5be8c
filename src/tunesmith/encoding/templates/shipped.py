"""Chat templates that come with tunesmith, for bases that have none, or none that writes what the rows hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_BEGIN, _END = "<|im_start|>", "<|im_end|>"
_GENERATION = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

# Calls and results as Hermes and Qwen2.5 write them, which servers read by the parser that they name `hermes`
_TOOLS = r"""
{%- set instructed = messages and messages[0]['role'] == 'system' %}
{%- if tools %}
    {{- '<|im_start|>system\n' }}
    {%- if instructed %}{{- messages[0]['content'] + '\n\n' }}{% endif %}
    {{- 'These tools can be called:\n<tools>\n' }}
    {%- for tool in tools %}{{- tool | tojson + '\n' }}{% endfor %}
    {{- '</tools>\nA call is a JSON object with the name and the arguments of the tool:\n' }}
    {{- '<tool_call>\n{"name": "…", "arguments": {}}\n</tool_call><|im_end|>\n' }}
{%- endif %}
{%- for message in (messages[1:] if tools and instructed else messages) %}
    {{- '<|im_start|>' + message['role'] + '\n' }}
    {%- if message['role'] == 'tool' %}
        {{- '<tool_response>\n' + message['content'] + '\n</tool_response>' }}
    {%- else %}
        {{- message['content'] or '' }}
        {%- for call in message['tool_calls'] or [] %}
            {%- if message['content'] or not loop.first %}{{- '\n' }}{% endif %}
            {{- '<tool_call>\n{"name": ' + call['function']['name'] | tojson + ', "arguments": ' }}
            {{- call['function']['arguments'] | tojson + '}\n</tool_call>' }}
        {%- endfor %}
    {%- endif %}
    {{- '<|im_end|>\n' }}
{%- endfor %}
"""

NAMED: Final[Mapping[str, str]] = {
    "chatml": (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
        "{% endfor %}"
        + _GENERATION
    ),
    "chatml-tools": _TOOLS.strip() + "\n" + _GENERATION.replace("{%", "{%-", 1),
}

CONTROL: Final = dict.fromkeys(NAMED, (_BEGIN, _END))  # what a base needs as tokens for a template to be learnt
