/** The charts of the dashboard: uPlot with the page's colours. They are drawn anew when light and dark change. */

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { make } from "../shell/dom.js";
import { clockTime, number } from "../shell/format.js";
import { colour, onTheme } from "../shell/theme.js";
import { FIGURES, type Figure } from "./figures.js";
import { isolated, type Recent } from "./recent.js";

const HEIGHT = 160;
/** Between the times at the bottom. */
const STEPS_S = [10, 15, 30, 60, 120];
/** A page that was opened just now shows this much. */
const LEAST_S = 60;

export class Charts {
  private charts: uPlot[] = [];
  private readonly places: HTMLElement[];

  constructor(
    container: HTMLElement,
    private readonly recent: Recent,
    private readonly spanS: number,
  ) {
    this.places = FIGURES.map(({ title }) => make("div", { role: "img", "aria-label": `${title}, the last minutes` }));
    container.append(
      ...FIGURES.map(({ title }, i) => make("figure", { class: "card" }, make("h2", {}, title), this.places[i]!)),
    );
    this.build();
    onTheme(() => this.build());
    new ResizeObserver(() => this.resize()).observe(container);
    document.addEventListener("visibilitychange", () => this.refresh());
  }

  /** Draw what there is now; a page that nobody sees draws nothing. */
  refresh(): void {
    if (document.hidden) return;
    const { columns } = this.recent;
    let first = 1;
    this.charts.forEach((chart, i) => {
      const next = first + FIGURES[i]!.lines.length;
      chart.setData([columns[0], ...columns.slice(first, next)] as uPlot.AlignedData);
      if ((chart.cursor.left ?? -1) < 0) chart.setLegend({ idx: this.recent.length - 1 });
      first = next;
    });
  }

  private build(): void {
    for (const chart of this.charts) chart.destroy();
    this.charts = FIGURES.map((figure, i) => {
      const place = this.places[i]!;
      const empty = [[], ...figure.lines.map(() => [])] as unknown as uPlot.AlignedData;
      return new uPlot(this.options(figure, place.clientWidth || 320), empty, place);
    });
    this.refresh();
  }

  private resize(): void {
    this.charts.forEach((chart, i) => {
      const width = this.places[i]!.clientWidth;
      if (width && width !== chart.width) chart.setSize({ width, height: HEIGHT });
    });
  }

  private options({ unit, lines }: Figure, width: number): uPlot.Options {
    const [ink, grid] = [colour("--muted"), colour("--line")];
    const axis = { stroke: ink, grid: { stroke: grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    return {
      width,
      height: HEIGHT,
      cursor: { sync: { key: "dashboard" }, drag: { x: false, y: false }, points: { size: 6 } },
      legend: { live: true, markers: { width: 0, fill: (_, i) => colour(lines[i - 1]?.colour ?? "--muted") } },
      scales: {
        x: { range: () => this.span() },
        y: { range: (_, low, high) => [Math.min(0, low ?? 0), Math.max(1, (high ?? 0) * 1.1)] },
      },
      axes: [
        {
          ...axis,
          size: 30,
          incrs: STEPS_S,
          space: 58,
          values: (_, splits) => splits.map((at) => timeLabel(at)),
        },
        { ...axis, size: 52, space: 34, values: (_, splits) => splits.map((value) => number(value)) },
      ],
      series: [
        { label: "at", value: (_, at) => (at == null ? "" : clockTime(at * 1000)) },
        ...lines.map((line) => this.series(line.label, line.colour, unit)),
      ],
    };
  }

  private series(label: string, name: string, unit: string): uPlot.Series {
    return {
      label,
      stroke: colour(name),
      width: 1.6,
      value: (_, value) => (value == null ? "–" : number(value) + unit),
      points: { size: 4, fill: colour(name), show: true, filter: (chart, i) => isolated(chart.data[i] as number[]) },
    };
  }

  private span(): [number, number] {
    const end = this.recent.last ?? Date.now() / 1000;
    return [Math.max(end - this.spanS, Math.min(this.recent.first ?? end, end - LEAST_S)), end];
  }
}

/** Write a time of day, without seconds where there are none. */
function timeLabel(at: number): string {
  const time = clockTime(at * 1000);
  return at % 60 ? time : time.slice(0, 5);
}
