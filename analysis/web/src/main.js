import './style.css';
import { charts } from './chart.js';
import { live } from './live.js';
import { liveSweep } from './live_sweep.js';
import { drawAll, Page } from './page.js';
import { apply } from './theme.js';

const data = JSON.parse(document.getElementById('data').textContent);
const page = new Page(data);
window.convoy = { data, charts, page };
apply();
page.build({ run: live, sweep: liveSweep }[data.live]?.(page));
window.addEventListener('beforeprint', () => {
  charts.forEach((figure) => figure.toPaper());
});
window.addEventListener('afterprint', () => charts.forEach((figure) => figure.fromPaper()));
drawAll().then(() => {
  window.convoy.drawn_ms = performance.now();
  document.documentElement.dataset.ready = 'true';
});
