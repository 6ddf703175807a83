// Runs before anything is drawn, so that a page that was set to light or dark does not flash in the other.
try {
  const theme = localStorage.getItem("theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // storage is forbidden here: the system's choice holds
}
