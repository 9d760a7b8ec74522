// Checks CloudFormation templates against the schemas of their resources, and
// first that it reports known mistakes: node validate.mjs TEMPLATE...
import { CelEngine, TemplateFile } from "@aws/cloudformation-validate";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const engine = new CelEngine();

// Descriptions, tags and names that would replace a resource are advice.
function problems(file) {
  const { status, diagnostics } = engine.validateStandard(new TemplateFile(file), {});
  const found = diagnostics.filter((d) => !["INFO", "DEBUG"].includes(d.severity));
  return status === "OK" ? found : found.concat({ ruleId: status, message: "not validated" });
}

const mistakes = [
  ["a property that does not exist", "AssumeRolePolicyDocument:", "AssumeRolePolicyDocumnet:"],
  ["a reference to nothing", "!Ref HubRoleArn", "!Ref HubRoleAnr"],
  ["a type that does not exist", "AWS::IAM::Role", "AWS::IAM::Rule"],
];
const directory = mkdtempSync(join(tmpdir(), "validate-"));
try {
  const valid = readFileSync(new URL("cloudformation/member.yaml", import.meta.url), "utf8");
  for (const [what, right, wrong] of mistakes) {
    const file = join(directory, "mistaken.yaml");
    writeFileSync(file, valid.replace(right, wrong));
    if (problems(file).length === 0) {
      console.error(`${what} is not reported: the validation does not work`);
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(directory, { recursive: true });
}

for (const file of process.argv.slice(2)) {
  const found = problems(file);
  console.log(`${file}: ${found.length === 0 ? "valid" : `${found.length} faults`}`);
  for (const d of found) {
    console.error(`${file}:${d.startLine ?? ""}: ${d.ruleId}: ${d.message}`);
    process.exitCode = 1;
  }
}
