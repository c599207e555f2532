// Light or dark: the system's, unless chosen by hand.
import { useEffect, useState } from './html.js';

const STORED_AS = 'decisionlog-theme';
const systemIsDark = matchMedia('(prefers-color-scheme: dark)');

function currentTheme() {
  return document.documentElement.dataset.theme ?? (systemIsDark.matches ? 'dark' : 'light');
}

export function toggleTheme() {
  const theme = currentTheme() === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem(STORED_AS, theme);
  } catch {
    // Storage may be forbidden: the choice then lasts as long as the page.
  }
  dispatchEvent(new Event('decisionlog-theme'));
}

/** The theme that is seen, kept up to date; charts are drawn anew when it changes. */
export function useTheme() {
  const [theme, setTheme] = useState(currentTheme);
  useEffect(() => {
    const onChange = () => setTheme(currentTheme());
    addEventListener('decisionlog-theme', onChange);
    systemIsDark.addEventListener('change', onChange);
    return () => {
      removeEventListener('decisionlog-theme', onChange);
      systemIsDark.removeEventListener('change', onChange);
    };
  }, []);
  return theme;
}
