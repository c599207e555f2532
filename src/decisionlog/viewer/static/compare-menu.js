// "Compare with…": the completed run most like this one first, then others of the goal.
import { html } from './html.js';
import { goalRunsPath } from './api.js';
import { useDocument } from './documents.js';
import { counted } from './format.js';
import { Ago, Loading, Menu, Trouble } from './parts.js';
import { compareAddress } from './router.js';
import { StatusBadge } from './status.js';

const OFFERED = 30;

export function CompareMenu({ run, contrast, isOpen, onToggle }) {
  return html`<${Menu} label="Compare with…" icon="compare" isOpen=${isOpen} onToggle=${onToggle}>
    <${Candidates} run=${run} contrast=${contrast} />
  <//>`;
}

function Candidates({ run, contrast }) {
  const { data, error, retry } = useDocument(goalRunsPath(run.goal_id));
  const others = (data?.runs ?? []).filter((row) => row.run_id !== run.id && row.run_id !== contrast?.run_id).slice(0, OFFERED);
  return html`
    ${contrast && html`<a class="menu-item is-offered" href=${compareAddress(run.id, contrast.run_id)}>
      <span class="menu-title">The completed run most like it</span>
      <span class="faint">${counted(contrast.in_common, 'decision')} in common · ${contrast.run_id}</span>
    </a>`}
    ${error && html`<${Trouble} error=${error} what="The list" onRetry=${retry} />`}
    ${!data && !error && html`<${Loading} />`}
    ${data && !others.length && !contrast && html`<p class="menu-note">There is no other run of this goal.</p>`}
    ${others.length > 0 && html`<p class="menu-note">Other runs of ${run.goal_id || 'no goal'}</p>`}
    ${others.map((row) => html`<a class="menu-item" href=${compareAddress(run.id, row.run_id)}>
      <span class="menu-title"><${StatusBadge} status=${row.status} /><${Ago} time=${row.started_at} /></span>
      <span class="faint cut">${row.narrative || row.run_id}</span>
    </a>`)}`;
}
