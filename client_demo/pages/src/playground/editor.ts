/** The field in which one input is written or generated. */

import { make } from "../shell/dom.js";
import type { Slot } from "./signature.js";
import { count, type Fill, fill, type Filled, MOST_ELEMENTS, nest, read, shapeOf, write } from "./values.js";

const FILLS: readonly Fill[] = ["zeros", "ones", "random"];
const MOST_ROWS = 10;

export class InputEditor {
  readonly element: HTMLElement;
  private readonly text = make("textarea", { spellcheck: "false", rows: 1 });
  private readonly fault = make("p", { class: "fault small", role: "alert", hidden: true });
  private readonly sizes: HTMLInputElement[];
  private last: Fill | undefined;

  constructor(
    readonly slot: Slot,
    private readonly changed: () => void,
  ) {
    this.text.id = `input-${slot.name}`;
    this.text.setAttribute("aria-label", `${slot.name} as JSON`);
    this.text.addEventListener("input", () => {
      this.last = undefined;
      this.check();
    });
    this.sizes = slot.sizes.map((size, axis) => this.sizeField(size, axis));
    this.element = make("fieldset", { class: "input" }, this.legend(), this.tools(), this.text, this.fault);
    if (slot.preset === undefined) this.generate(slot.first);
    else this.set(JSON.stringify(slot.preset), slot.shape.length ? slot.first : undefined);
  }

  /** What was written. Raises SyntaxError if it is no tensor. */
  filled(): Filled {
    const { name, datatype } = this.slot;
    const found = read(this.text.value);
    return { name, datatype, shape: shapeOf(found, this.wanted()), values: found.values };
  }

  /** Put a flat array into the only axis of any size. */
  put(values: readonly number[]): void {
    const axis = this.slot.shape.indexOf(-1);
    this.sizes[axis]!.value = String(values.length);
    this.set(write(nest(values, this.wanted())), undefined);
  }

  private legend(): HTMLElement {
    const { name, datatype, shape, constant } = this.slot;
    const dimensions = shape.map((size) => (size < 0 ? "?" : size)).join(", ");
    const when = constant ? [make("span", { class: "badge muted" }, "once, when the stream opens")] : [];
    return make(
      "legend",
      {},
      make("b", {}, name),
      " ",
      make("code", { class: "muted" }, `${datatype}[${dimensions}]`),
      " ",
      ...when,
    );
  }

  private tools(): HTMLElement {
    const free = this.slot.shape.flatMap((size, axis) => (size < 0 ? [this.labelled(axis)] : []));
    const buttons = FILLS.map((how) => {
      const button = make("button", { type: "button", class: "small" }, how);
      button.addEventListener("click", () => this.generate(how));
      return button;
    });
    return make("div", { class: "row tools" }, ...free, ...buttons);
  }

  private labelled(axis: number): HTMLElement {
    return make("label", { class: "small" }, `axis ${axis} `, this.sizes[axis]!);
  }

  private sizeField(size: number, axis: number): HTMLInputElement {
    const field = make("input", { type: "number", min: 0, max: MOST_ELEMENTS, value: size });
    field.setAttribute("aria-label", `size of axis ${axis} of ${this.slot.name}`);
    field.addEventListener("change", () => this.generate(this.last ?? this.slot.first));
    return field;
  }

  private wanted(): number[] {
    return this.sizes.map((field) => Math.max(0, Math.floor(Number(field.value) || 0)));
  }

  private generate(how: Fill): void {
    const shape = this.wanted();
    const elements = count(shape);
    if (elements > MOST_ELEMENTS) {
      this.say(`${elements.toLocaleString("en-US")} elements are too many to edit here; ${MOST_ELEMENTS} at most`);
      return;
    }
    this.set(write(nest(fill(this.slot.datatype, elements, how), shape)), how);
  }

  private set(text: string, how: Fill | undefined): void {
    this.text.value = text;
    this.last = how;
    this.text.rows = Math.min(MOST_ROWS, text.split("\n").length);
    this.check();
  }

  private check(): void {
    try {
      const { shape } = this.filled();
      const taken = this.slot.shape;
      if (shape.length === taken.length) {
        shape.forEach((size, axis) => taken[axis]! < 0 && (this.sizes[axis]!.value = String(size)));
      }
      const fits = shape.length === taken.length && shape.every((size, axis) => taken[axis]! < 0 || taken[axis] === size);
      this.say(fits ? "" : `[${shape.join(", ")}] is not the shape that the model declares; it is sent as it is`);
    } catch (error) {
      this.say((error as SyntaxError).message);
    }
    this.changed();
  }

  private say(fault: string): void {
    this.fault.textContent = fault;
    this.fault.hidden = !fault;
  }
}
