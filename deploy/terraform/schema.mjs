// Writes testdata/aws.json: the arguments, blocks and attributes of the resources and data
// sources that the modules use, as the oldest supported AWS provider has them. The types
// generated for CDK for Terraform have them; version 21.0.0 is that of provider 6.0.0.
//
//   npm install --prefix DIRECTORY --ignore-scripts --no-save @cdktf/provider-aws@21.0.0
//   node schema.mjs DIRECTORY
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const library = join(process.argv[2], "node_modules/@cdktf/provider-aws");

const snake = (name) => name.replace(/[A-Z]/g, (c) => "_" + c.toLowerCase());

// The members of an interface. A member's comment has the argument's name as an anchor.
function members(text, name) {
  const body = new RegExp(`export interface ${name} .*?\\{\\n(.*?)\\n\\}`, "s").exec(text)[1];
  const arguments_ = {};
  for (const [, member, optional, type] of body.matchAll(/readonly (\w+)(\??): ([^;]+);/g)) {
    const block = /^([A-Z]\w+)(\[\])?( \| cdktf\.IResolvable)?$/.exec(type);
    arguments_[snake(member)] = {
      required: optional === "",
      ...(block ? { block: members(text, block[1]) } : { type: simple(type) }),
    };
  }
  return arguments_;
}

function simple(type) {
  if (type.startsWith("{")) return "map";
  if (type.includes("[]")) return "list";
  return type.split(" ")[0];
}

const used = new Set();
for (const file of readdirSync(".", { recursive: true }).filter((name) => name.endsWith(".tf"))) {
  for (const [, kind, type] of readFileSync(file, "utf8").matchAll(/^(resource|data) "(\w+)"/gm)) {
    used.add((kind === "data" ? "data." : "") + type);
  }
}

const schema = {};
for (const type of [...used].sort()) {
  const directory = type.replace("data.aws_", "data-aws-").replace(/^aws_/, "").replaceAll("_", "-");
  const text = readFileSync(join(library, "lib", directory, "index.d.ts"), "utf8");
  const [, config] = /export interface (\w+)Config extends cdktf\.TerraformMetaArguments/.exec(text);
  // Attributes are the properties of the class of the resource itself.
  const body = text.slice(text.indexOf(`export declare class ${config} extends`));
  schema[type] = {
    arguments: members(text, config + "Config"),
    attributes: [...body.matchAll(/^    get (\w+)\(\)/gm)].map((m) => snake(m[1])).filter((name) => !name.endsWith("_input")),
  };
}
const { cdktf } = JSON.parse(readFileSync(join(library, "package.json"), "utf8"));
const lines = Object.entries(schema).map(([type, s]) => `    ${JSON.stringify(type)}: ${JSON.stringify(s)}`);
writeFileSync("testdata/aws.json", `{\n  "provider": "${cdktf.provider.version}",\n  "schema": {\n${lines.join(",\n")}\n  }\n}\n`);
