/** The table with a row for each model; rows and cells stay, only their text changes. */

import type { ModelStats } from "tidegate";
import { make } from "../shell/dom.js";
import { COLUMNS } from "./figures.js";

export class ModelsTable {
  private readonly body = make("tbody");
  private readonly rows = new Map<string, readonly HTMLElement[]>();

  constructor(table: HTMLTableElement) {
    const heads = ["model", ...COLUMNS.map(({ label }) => label)].map((label) => make("th", { scope: "col" }, label));
    table.append(make("thead", {}, make("tr", {}, ...heads)), this.body);
  }

  /** Show the numbers of these models, and no others. */
  show(models: Readonly<Record<string, ModelStats>>): void {
    if ([...this.rows.keys()].join("\n") !== Object.keys(models).join("\n")) this.rebuild(Object.keys(models));
    for (const [name, stats] of Object.entries(models)) {
      const cells = this.rows.get(name)!;
      COLUMNS.forEach(({ of }, i) => (cells[i]!.textContent = of(stats)));
      cells[0]!.dataset.state = stats.state;
      const compute = COLUMNS.findIndex(({ label }) => label === "compute");
      cells[compute]!.style.setProperty("--share", String(stats.compute_share));
    }
  }

  private rebuild(names: readonly string[]): void {
    this.rows.clear();
    this.body.replaceChildren(
      ...names.map((name) => {
        const cells = COLUMNS.map(({ label }) => make("td", { "data-label": label, class: label.split(/\W/)[0]! }));
        this.rows.set(name, cells);
        const link = make("a", { href: `/playground?model=${encodeURIComponent(name)}` }, name);
        return make("tr", {}, make("th", { scope: "row" }, link), ...cells);
      }),
    );
  }
}
