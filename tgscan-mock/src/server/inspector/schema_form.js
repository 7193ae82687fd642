// Form fields for a JSON schema of the control paths' document, so that the page knows each fault's fields without listing them.

import { element, fill, newId, prose } from "./dom.js";
import { parse } from "./json.js";

/** An invalid value, with the control that holds it. */
class InvalidValue extends Error {
  constructor(input, message) {
    super(message);
    this.input = input;
  }
}

/** Creates functions that make fields for the schemas of a document. */
export function formsOf(document) {
  const resolve = (schema) => {
    const name = schema.$ref?.match(/^#\/components\/schemas\/(\w+)$/)?.[1];
    return name ? document.components.schemas[name] : schema;
  };
  const types = (schema) => [schema.type].flat();

  /** Makes the fields of an object. `omitted` are the names of properties without a field. */
  function objectFields(schema, omitted = []) {
    const isRequired = (name) => schema.required?.includes(name) ?? false;
    const isShown = ([name, property]) => !omitted.includes(name) && !("const" in property);
    const properties = Object.entries(schema.properties).filter(isShown);
    properties.sort(([one], [other]) => isRequired(other) - isRequired(one));
    const fields = properties.map(([name, property]) => [name, field(name, resolve(property), isRequired(name))]);
    return {
      elements: fields.flatMap(([, made]) => made.elements),
      value() {
        const values = fields.map(([name, made]) => [name, made.value()]);
        return Object.fromEntries(values.filter(([, value]) => value !== undefined));
      },
      set(values) {
        for (const [name, made] of fields) made.set?.(values[name]);
      },
    };
  }

  function field(name, schema, isRequired) {
    if (schema.anyOf) return optionalChoice(name, schema);
    if (schema.enum) return selection(name, schema, isRequired);
    if (types(schema).includes("boolean")) {
      const isOptional = types(schema).includes("null");
      return isOptional ? selection(name, { ...schema, enum: [true, false] }, false) : checkbox(name, schema);
    }
    if (types(schema).includes("integer")) return integer(name, schema, isRequired);
    if (types(schema).includes("array")) return lines(name, schema);
    if (types(schema).includes("object")) return schema.properties ? group(name, schema) : json(name, schema);
    return text(name, schema, isRequired);
  }

  /** Makes the fields of a schema that is one of several objects, which the `kind` distinguishes. */
  function choice(schema, omitted = [], initial = null) {
    const variants = schema.anyOf.flatMap((variant) => variant.properties.kind.enum.map((kind) => ({ kind, variant })));
    const label = ({ kind, variant }) => {
      const isUnique = variants.filter((other) => other.kind === kind).length === 1;
      return isUnique ? kind : `${kind}: ${variant.description}`;
    };
    const options = variants.map((variant, index) => element("option", { value: index }, label(variant)));
    const hint = element("p", { id: newId(), class: "hint" });
    const select = element("select", { id: newId(), "aria-describedby": hint.id }, ...options);
    const own = element("div", { class: "variant" });
    let fields;
    const show = () => {
      const { variant } = variants[select.value];
      fields = objectFields(variant, ["kind", ...omitted]);
      fill(hint, ...prose(variant.description));
      fill(own, ...fields.elements);
    };
    select.addEventListener("change", show);
    if (initial !== null) select.value = variants.findIndex(({ kind }) => kind === initial);
    show();
    return {
      elements: [element("div", { class: "field" }, element("label", { for: select.id }, "kind"), select, hint), own],
      value: () => ({ kind: variants[select.value].kind, ...fields.value() }),
    };
  }

  /** Makes a checkbox that shows the fields of an optional choice. */
  function optionalChoice(name, schema) {
    const some = schema.anyOf.map(resolve).find((option) => option.anyOf);
    const box = element("input", { type: "checkbox", id: newId() });
    const made = choice(some, ["method", "times"]);
    const own = element("fieldset", { hidden: true }, element("legend", {}, name), ...made.elements);
    const show = () => {
      own.hidden = !box.checked;
    };
    box.addEventListener("change", show);
    return {
      elements: [labelled(name, box, schema.description), own],
      value: () => (box.checked ? made.value() : undefined),
      set: () => {
        box.checked = false;
        show();
      },
    };
  }

  function group(name, schema) {
    const made = objectFields(schema);
    const legend = element("legend", {}, name);
    return {
      elements: [element("fieldset", {}, legend, ...hintOf(schema.description), ...made.elements)],
      value() {
        const value = made.value();
        return Object.keys(value).length > 0 ? value : undefined;
      },
    };
  }

  const schema = (name) => resolve({ $ref: `#/components/schemas/${name}` });
  return {
    object: (name) => objectFields(schema(name)),
    choice: (name, initial) => choice(schema(name), [], initial),
  };
}

function hintOf(description, id = null) {
  return description ? [element("p", { class: "hint", id }, ...prose(description))] : [];
}

/** Labels a control, and describes it. */
function labelled(name, input, description, isRequired = false) {
  const hint = newId();
  if (description) input.setAttribute("aria-describedby", hint);
  if (isRequired) input.setAttribute("aria-required", true);
  const label = element("label", { for: input.id }, name, isRequired ? " (required)" : "");
  const parts = input.type === "checkbox" ? [element("div", {}, input, " ", label)] : [label, input];
  return element("div", { class: "field" }, ...parts, ...hintOf(description, hint));
}

/** Reads a control, or throws an error that names it. */
function entered(name, input, isRequired) {
  const value = input.value.trim();
  if (isRequired && value === "") throw new InvalidValue(input, `${name} is missing`);
  return value === "" ? undefined : value;
}

function selection(name, schema, isRequired) {
  const values = schema.enum.filter((value) => value !== null);
  const options = values.map((value, index) => element("option", { value: index }, String(value)));
  if (!isRequired) options.unshift(element("option", { value: "" }, "(left out)"));
  const input = element("select", { id: newId() }, ...options);
  return {
    elements: [labelled(name, input, schema.description)],
    value: () => (input.value === "" ? undefined : values[input.value]),
    set(value) {
      input.value = values.includes(value) ? String(values.indexOf(value)) : (options[0].value);
    },
  };
}

function checkbox(name, schema) {
  const input = element("input", { type: "checkbox", id: newId() });
  return {
    elements: [labelled(name, input, schema.description)],
    // Left out, since false is what the mock assumes.
    value: () => (input.checked ? true : undefined),
    set(value) {
      input.checked = value === true;
    },
  };
}

/** Makes a field for an integer, which may be larger than JavaScript's numbers are exact. */
function integer(name, schema, isRequired) {
  const { minimum, maximum } = schema;
  const input = element("input", { id: newId(), inputmode: "numeric", autocomplete: "off" });
  const range = maximum === undefined ? `from ${minimum}` : `from ${minimum} to ${maximum}`;
  return {
    elements: [labelled(name, input, schema.description, isRequired)],
    value() {
      const text = entered(name, input, isRequired);
      if (text === undefined) return undefined;
      const isInteger = /^-?\d+$/.test(text);
      if (!isInteger || BigInt(text) < (minimum ?? BigInt(text)) || BigInt(text) > (maximum ?? BigInt(text))) {
        throw new InvalidValue(input, `${name} must be a number ${range}`);
      }
      return BigInt(text);
    },
    set(value) {
      input.value = value === undefined || value === null ? "" : String(value);
    },
  };
}

function text(name, schema, isRequired) {
  const input = element("input", { id: newId(), autocomplete: "off", spellcheck: false, dir: "auto" });
  return {
    elements: [labelled(name, input, schema.description, isRequired)],
    value: () => entered(name, input, isRequired),
    set(value) {
      input.value = value ?? "";
    },
  };
}

/** Makes a field for a list of texts, one per line. */
function lines(name, schema) {
  const input = element("textarea", { id: newId(), rows: 2, spellcheck: "false" });
  return {
    elements: [labelled(name, input, `${schema.description ?? ""} One per line.`)],
    value: () => entered(name, input, false)?.split("\n").map((line) => line.trim()).filter(Boolean),
  };
}

/** Makes a field for a JSON object. */
function json(name, schema) {
  const input = element("textarea", { id: newId(), rows: 4, spellcheck: "false", class: "code" });
  return {
    elements: [labelled(name, input, `${schema.description ?? ""} A JSON object.`)],
    value() {
      const text = entered(name, input, false);
      if (text === undefined) return undefined;
      try {
        return parse(text);
      } catch (error) {
        throw new InvalidValue(input, `${name} is not JSON: ${error.message}`);
      }
    },
    set(value) {
      input.value = value ?? "";
    },
  };
}
