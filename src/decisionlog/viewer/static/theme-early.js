// Runs before the first paint, so that a page whose theme was chosen by hand does not flash in the other one.
(() => {
  try {
    const theme = localStorage.getItem('decisionlog-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage may be forbidden (file://, private windows): the system's theme then holds.
  }
})();
