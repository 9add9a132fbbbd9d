// The panel at the top of a live page: what goes on, how far it is, and buttons.
import { button, el } from './dom.js';
import { seconds } from './format.js';

const announceEvery = 20000; // ms

export class Panel {
  // `what`: "run" or "sweep"; `buttons`: before Stop; `below`: under the facts.
  constructor(what, send, { buttons = [], below = [] } = {}) {
    this.what = what;
    this.state = el('p', { class: 'state' }, 'Connecting …');
    this.announcement = el('p', { class: 'unseen', role: 'status', 'aria-live': 'polite' });
    this.progress = el('progress', {
      max: '1',
      value: '0',
      'aria-label': 'Share of the way to the end',
    });
    this.facts = el('dl', { class: 'facts' });
    this.stop = button(
      'Stop',
      () => {
        send('stop');
        this.say(`Stopping the ${what} …`);
        this.stop.disabled = true;
      },
      { id: 'stop', hidden: true }
    );
    this.buttons = [...buttons, this.stop];
    this.announced = -Infinity;
    this.element = el(
      'section',
      { class: 'live', 'aria-label': `The ${what} now` },
      el(
        'div',
        { class: 'heading' },
        this.state,
        el('div', { class: 'group' }, this.buttons)
      ),
      this.progress,
      this.announcement,
      this.facts,
      ...below
    );
  }

  say(text, bad = false) {
    this.state.textContent = text;
    this.state.classList.toggle('bad', bad);
    this.announcement.textContent = text;
    this.announced = performance.now();
  }

  // For screen readers, now and then.
  announce(text) {
    if (performance.now() - this.announced <= announceEvery) return;
    this.announced = performance.now();
    this.announcement.textContent = text;
  }

  disconnected(wait) {
    this.say(`The connection is lost. Trying again in ${seconds(wait / 1000)}.`, true);
    for (const each of this.buttons) each.disabled = true;
  }

  lost() {
    this.say(
      `The ${this.what} cannot be reached any more: it is over, or was ended. This is what was seen.`,
      true
    );
  }

  // [[name, text]]
  fillFacts(facts) {
    this.facts.replaceChildren(
      ...facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value)))
    );
  }
}
