"""Writes what the installed AWS CLI accepts, for the operations on standard input.

Each line of the input has a service and an operation, as typed after "aws", and
"query" if the output is needed too. The output is testdata/table.json; package
awscli documents its form. The CLI's own
argument tables are used, so that its additions to the service models, such as
--max-items, are part of them.
"""

import json
import sys

import awscli
import awscli.clidriver
import botocore

driver = awscli.clidriver.create_clidriver()
commands = driver._get_command_table()
shapes = {}


def reference(service, shape):
    """The name of a shape in the table; structures and enums are added to it."""
    kind = shape.type_name
    if kind == "list":
        return "[]" + reference(service, shape.member)
    if kind == "map":
        return "{}" + reference(service, shape.value)
    enum = getattr(shape, "enum", [])
    if kind != "structure" and not enum:
        return kind
    name = service + "." + shape.name
    if name not in shapes:
        shapes[name] = sorted(enum) if enum else {}
        if kind == "structure":
            shapes[name].update({k: reference(service, m) for k, m in shape.members.items()})
    return name


def options(service, arguments):
    """The options of a command with the references of their values."""
    known = {}
    for name, argument in arguments.items():
        model = getattr(argument, "argument_model", None)
        # Options of the CLI itself have a model without members.
        if getattr(argument, "positional_arg", False):
            continue
        known["--" + name] = reference(service, model) if model is not None else "string"
    return known


def operation(service, name, *query):
    command = commands[service].create_help_command().command_table[name]
    arguments = command.arg_table
    known = {"options": options(service, arguments)}
    required = sorted("--" + k for k, a in arguments.items() if getattr(a, "required", False))
    if required:
        known["required"] = required
    model = getattr(command, "_operation_model", None)
    if query and model is not None and model.output_shape is not None:
        known["output"] = reference(service, model.output_shape)
    return known


operations = {}
for line in sys.stdin:
    service, name, *query = line.split()
    try:
        operations[service + " " + name] = operation(service, name, *query)
    except KeyError:
        sys.exit(f"aws {service} {name}: the AWS CLI has no such command")



def rows(table):
    """An object with one line for each key, so that changes can be reviewed."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in sorted(table.items())]
    return "{\n" + ",\n".join(lines) + "\n}"


print(
    rows(
        {
            "source": f"AWS CLI {awscli.__version__} with botocore {botocore.__version__}",
            "global": options("", driver._get_argument_table()),
        }
    )[:-2]
    + ',\n"operations": '
    + rows(operations)
    + ',\n"shapes": '
    + rows(shapes)
    + "\n}"
)
