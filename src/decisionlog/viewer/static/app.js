// The frame around the pages.
import { html, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { isReport } from './api.js';
import { ComparePage } from './compare-page.js';
import { useDocument } from './documents.js';
import { GoalPage } from './goal-page.js';
import { GoalsPage } from './goals-page.js';
import { Icon } from './icons.js';
import { KeyboardHelp, useKeys } from './keyboard.js';
import { Empty } from './parts.js';
import { addressOf, navigate, useRoute } from './router.js';
import { RunPage } from './run-page.js';
import { RunsPage, forgetPlace } from './runs-page.js';
import { scroller } from './scrolling.js';
import { toggleTheme, useTheme } from './theme.js';

export function App() {
  const route = useRoute();
  const [isHelpOpen, setHelpOpen] = useState(false);
  const goTo = (page) => {
    forgetPlace();
    navigate(addressOf(page));
  };
  useKeys({
    '?': () => setHelpOpen(true),
    t: toggleTheme,
    ...(isReport ? {} : { g: () => goTo('runs'), G: () => goTo('goals') }),
  });
  const view = route.id === null ? route.page : `${route.page}/${route.id}`;
  const lastView = useRef(view);
  useLayoutEffect(() => {
    if (lastView.current === view) return;
    lastView.current = view;
    // A new page is read from its top, and by a screen reader too.
    scroller().scrollTop = 0;
    scroller().focus({ preventScroll: true });
  }, [view]);
  return html`
    <a class="skip" href="#content" onClick=${skipToContent}>Skip to the content</a>
    <${Header} route=${route} onHelp=${() => setHelpOpen(true)} />
    <div id="stage"><${Page} route=${route} key=${view} /></div>
    ${isHelpOpen && html`<${KeyboardHelp} onClose=${() => setHelpOpen(false)} />`}
  `;
}

function skipToContent(event) {
  event.preventDefault();
  scroller().focus();
}

function Page({ route }) {
  const { page, id, params } = route;
  if (page === 'runs' && id) return html`<${RunPage} id=${id} params=${params} />`;
  if (page === 'runs') return html`<${RunsPage} params=${params} />`;
  if (page === 'goals' && id !== null) return html`<${GoalPage} id=${id} />`;
  if (page === 'goals') return html`<${GoalsPage} />`;
  if (page === 'compare') return html`<${ComparePage} a=${params.get('a')} b=${params.get('b')} />`;
  return html`<main id="content" tabindex="-1"><${Empty} title="There is no such page"><p><a href="#/runs">To the runs</a></p><//></main>`;
}

function Header({ route, onHelp }) {
  const theme = useTheme();
  const { data: info } = useDocument(isReport ? null : '/api/info');
  useEffect(() => {
    if (route.page === 'runs' && !route.id) document.title = 'Runs – decisionlog';
  }, [route.page, route.id]);
  const nav = (page, label) => html`<a href=${`#/${page}`} onClick=${forgetPlace} aria-current=${route.page === page ? 'page' : undefined}>${label}</a>`;
  return html`<header id="head">
    <span class="brand"><${Icon} name="fork" />decisionlog</span>
    ${isReport ? html`<span class="nav-note">report</span>` : html`<nav aria-label="Pages">${nav('runs', 'Runs')}${nav('goals', 'Goals')}</nav>`}
    <span class="spacer"></span>
    ${info && html`<span class="directory" title=${info.directory}>${info.directory}</span>`}
    <button class="quiet-button" onClick=${toggleTheme} title="Light or dark (t)" aria-label=${theme === 'dark' ? 'Switch to light' : 'Switch to dark'}><${Icon} name=${theme === 'dark' ? 'sun' : 'moon'} /></button>
    <button class="quiet-button" onClick=${onHelp} title="Keyboard (?)" aria-label="Keyboard help"><${Icon} name="question" /></button>
  </header>`;
}
