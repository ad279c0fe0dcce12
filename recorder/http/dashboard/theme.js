// The theme, before anything is drawn: what was chosen here, else what the system wants.
"use strict";
{
  const THEMES = ["system", "light", "dark"];
  const read = () => {
    try {
      const kept = localStorage.getItem("recorder-theme");
      return THEMES.includes(kept) ? kept : "system";
    } catch {
      return "system"; // storage is off
    }
  };
  const set = (theme) => {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("recorder-theme", theme);
    } catch {
      // It holds until the page is left.
    }
    document.dispatchEvent(new Event("theme"));
  };
  const next = () => set(THEMES[(THEMES.indexOf(read()) + 1) % THEMES.length]);
  document.documentElement.dataset.theme = read();
  window.recorderTheme = { read, next };
}
