/** Light or dark: a button that changes it, and the colours of the style sheet for what is drawn on a canvas. */

const listeners = new Set<() => void>();
const system = matchMedia("(prefers-color-scheme: dark)");

export function isDark(): boolean {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : system.matches;
}

/** Call something whenever light and dark change. */
export function onTheme(listener: () => void): void {
  listeners.add(listener);
}

/** Return a colour such as `--chart-1` as it is now, in a form that a canvas takes. */
export function colour(name: string): string {
  const probe = document.createElement("i");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

export function wireTheme(button: HTMLButtonElement): void {
  const changed = (): void => listeners.forEach((listener) => listener());
  system.addEventListener("change", changed);
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("theme", theme);
    } catch {
      // storage is forbidden here: the choice holds for this page
    }
    changed();
  });
}
