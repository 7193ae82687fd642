// JSON without loss: integers above 2^53, such as seeds, are read as BigInt.

/** Parses JSON. */
export function parse(text) {
  return JSON.parse(text, (_key, value, context) => {
    const isRounded = Number.isInteger(value) && !Number.isSafeInteger(value);
    return isRounded && /^-?\d+$/.test(context?.source ?? "") ? BigInt(context.source) : value;
  });
}

/** Writes a value as JSON on one line. Characters that a terminal or an editor would hide are escaped. */
export function print(value) {
  if (typeof value === "bigint") return String(value);
  if (Array.isArray(value)) return `[${value.map(print).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    return `{${Object.entries(value).map(([name, field]) => `${print(name)}: ${print(field)}`).join(", ")}}`;
  }
  return JSON.stringify(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

function escaped(character) {
  return character.split("").map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");
}

/** Indents JSON, and leaves its numbers and texts as they are written. Returns other texts unchanged. */
export function indented(text) {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const tokens = text.match(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  let depth = 0;
  let lines = "";
  const newLine = () => `\n${"  ".repeat(depth)}`;
  tokens.forEach((token, index) => {
    const isEmpty = "[{".includes(tokens[index - 1]) && "]}".includes(token);
    if (token === "{" || token === "[") {
      depth += 1;
      lines += token + ("]}".includes(tokens[index + 1]) ? "" : newLine());
    } else if (token === "}" || token === "]") {
      depth -= 1;
      lines += (isEmpty ? "" : newLine()) + token;
    } else if (token === ",") {
      lines += token + newLine();
    } else {
      lines += token === ":" ? ": " : token;
    }
  });
  return lines;
}
