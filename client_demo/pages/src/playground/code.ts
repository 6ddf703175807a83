/** A call as a program: Python, JavaScript, or the messages themselves. Text out, to be pasted and run as it is. */

import type { Datatype } from "tidegate";
import type { Call } from "./call.js";
import { count, type Filled, nest, type Nested, type Scalar } from "./values.js";

export type Language = "python" | "javascript" | "json";

/** Say where a program is pasted. */
export const HINTS: Readonly<Record<Language, string>> = {
  python: "A program: needs the Python package (pip install . in a clone).",
  javascript: "For the console of this page (F12). With a bundler: import { connect, tensor } from “tidegate”.",
  json: "Text frames, a line each. To try it by hand: python -m websockets URL, then paste.",
};

/** Write a call for the gateway at `url` (`ws://host:port/v1`). */
export function write(call: Call, language: Language, url: string): string {
  return { python, javascript, json }[language](call, url);
}

const NUMPY: Partial<Record<Datatype, string>> = { BOOL: "bool", FP16: "float16", FP32: "float32", FP64: "float64" };

function python(call: Call, url: string): string {
  const { model, mode, inputs, constants, wishes } = call;
  const name = JSON.stringify(model);
  const more = constants.length ? `, ${pythonDict(constants, "        ")}` : "";
  const bodies = {
    infer: `    async with tidegate.connect("${url}") as gw:
        result = await gw.infer(${name}, ${pythonDict(inputs, "        ")})
        print(dict(result), result.timing)`,
    stream: `    async with tidegate.connect("${url}") as gw, gw.stream(${name}${more}) as stream:
        result = await stream.step(${pythonDict(inputs, "        ")})
        print(dict(result), result.timing)`,
    generate: `    async with tidegate.connect("${url}") as gw:
        prompt = ${JSON.stringify(inputs[0]?.values)}
        async for result in gw.generate(${name}, prompt, max_steps=${wishes.maxSteps}, temperature=${wishes.temperature}):
            print(result.text if result.text is not None else result["token"], end="", flush=True)`,
  };
  const numpy = mode === "generate" ? "" : "import numpy as np\n";
  return `import asyncio\n${numpy}import tidegate\n\n\nasync def main():\n${bodies[mode]}\n\n\nasyncio.run(main())\n`;
}

function pythonDict(filled: readonly Filled[], indent: string): string {
  return `{\n${filled.map((each) => `${indent}    ${JSON.stringify(each.name)}: ${pythonArray(each)},\n`).join("")}${indent}}`;
}

function pythonArray({ datatype, shape, values }: Filled): string {
  if (datatype === "BF16") return pythonList(nest(values, shape)); // numpy has no such numbers: the client converts
  const dtype = datatype === "BYTES" ? "object" : `np.${NUMPY[datatype] ?? datatype.toLowerCase()}`;
  if (!count(shape)) return `np.zeros((${shape.join(", ")},), dtype=${dtype})`;
  return `np.array(${pythonList(
    nest(
      values.map((each) => pythonElement(each, datatype)),
      shape,
    ),
    datatype,
  )}, dtype=${dtype})`;
}

function pythonElement(value: Scalar, datatype: Datatype): Scalar {
  if (typeof value === "boolean") return value;
  return typeof value === "string" && datatype !== "BYTES" && /^[+-]?\d+$/.test(value) ? `\0${value}` : value;
}

function pythonList(nested: Nested, datatype?: Datatype): string {
  if (Array.isArray(nested)) return `[${(nested as readonly Nested[]).map((each) => pythonList(each, datatype)).join(", ")}]`;
  if (typeof nested === "boolean") return nested ? "True" : "False";
  if (typeof nested !== "string" || datatype === "BYTES") return JSON.stringify(nested);
  return nested.startsWith("\0") ? nested.slice(1) : `float(${JSON.stringify(nested)})`;
}

function javascript(call: Call): string {
  const { model, mode, inputs, constants, wishes } = call;
  const name = JSON.stringify(model);
  const bodies = {
    infer: `const { outputs, timing } = await gw.infer(${name}, ${scriptObject(inputs)});
console.log(outputs, timing);`,
    stream: `const stream = await gw.stream(${name}, ${constants.length ? scriptObject(constants) : "{}"});
const { outputs, timing } = await stream.step(${scriptObject(inputs)});
console.log(outputs, timing);
await stream.close();`,
    generate: `const prompt = ${JSON.stringify(inputs[0]?.values)};
let text = "";
for await (const result of gw.generate(${name}, { prompt, maxSteps: ${wishes.maxSteps}, temperature: ${wishes.temperature} })) {
  text += result.text ?? \` \${result.outputs.token.data[0]}\`;
}
console.log(text);`,
  };
  return `const { connect, tensor } = await import("/tidegate.js");\nconst gw = await connect();\n${bodies[mode]}\nawait gw.close();\n`;
}

function scriptObject(filled: readonly Filled[]): string {
  return `{\n${filled.map((each) => `  ${JSON.stringify(each.name)}: ${scriptTensor(each)},\n`).join("")}}`;
}

function scriptTensor({ datatype, shape, values }: Filled): string {
  const elements = values.map((value) => scriptElement(value, datatype)).join(", ");
  return `tensor([${elements}], [${shape.join(", ")}], "${datatype}")`;
}

function scriptElement(value: Scalar, datatype: Datatype): string {
  if (typeof value !== "string" || datatype === "BYTES") return JSON.stringify(value);
  return /^[+-]?\d+$/.test(value) ? `${value}n` : String(Number(value));
}

function json(call: Call): string {
  const { model, mode, inputs, constants, wishes } = call;
  const line = (message: object): string => `${JSON.stringify(message)}\n`;
  const all = { inputs: inputs.map(wire) };
  if (mode === "infer") return line({ op: "infer", id: 1, model_name: model, ...all });
  const given = constants.length ? { constants: constants.map(wire) } : {};
  const parameters = { max_steps: wishes.maxSteps, temperature: wishes.temperature };
  return (
    line({ op: "open", id: 1, stream: "s", model_name: model, ...given }) +
    line({ op: "step", stream: "s", step: 1, ...(mode === "generate" && { parameters }), ...all }) +
    line({ op: "close", stream: "s" })
  );
}

function wire({ name, datatype, shape, values }: Filled): object {
  return { name, datatype, shape, data: values };
}
