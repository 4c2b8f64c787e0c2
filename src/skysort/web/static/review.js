// The page Review: one picture large, all that wait below it, and answers by key or by button.
// A key changes the page at once. Answers are sent one after the other meanwhile.
// A picture drawn for an audit has no label here: there is nothing to agree with.

import { html, number, percent, post, render, useEffect, useRef, useState, word, words } from "./dom.js";

const data = JSON.parse(document.getElementById("waiting").textContent);
const [OTHER, CANNOT_TELL] = data.for_all;
const TAKEN = ["x", "u", "o"];
const AHEAD = 3; // large pictures that are loaded before they are needed
const SHORT = { drawn: word("audit"), unknown: word("unknown"), unsure: word("unsure") };

// Sends what was answered or taken back, in order. What was answered meanwhile goes together.
class Sender {
  constructor(told) {
    this.told = told;
    this.queue = [];
    this.isBusy = false;
  }

  add(...steps) {
    this.queue.push(...steps);
    if (!this.isBusy) this.send();
  }

  async send() {
    this.isBusy = true;
    try {
      while (this.queue.length) {
        if (this.queue[0] === "take back") {
          this.queue.shift();
          this.told(await post("/api/review/take-back", {}));
          continue;
        }
        const until = this.queue.indexOf("take back");
        const answers = this.queue.splice(0, until < 0 ? this.queue.length : until);
        this.told(await post("/api/review/answers", { answers }));
      }
    } catch (error) {
      this.queue = [];
      this.told({ failed: error.message });
    }
    this.isBusy = false;
  }
}

function keysOf(classes) {
  const initials = classes.map((name) => name[0].toLowerCase());
  return classes.map((_, at) => {
    const initial = initials[at];
    const isFree = initials.indexOf(initial) === initials.lastIndexOf(initial) && !TAKEN.includes(initial);
    return [...(at < 9 ? [String(at + 1)] : []), ...(isFree && /[a-z]/.test(initial) ? [initial] : [])];
  });
}

function Review() {
  const [state, setState] = useState({
    pictures: data.pictures, at: 0, marked: new Set(), history: [], isAsking: false,
    promise: data.promise, failed: "", said: "",
  });
  const now = useRef(state);
  now.current = state;
  const grid = useRef(null);
  const sender = useRef(null);
  const change = (values) => {
    now.current = { ...now.current, ...values };
    setState(now.current);
  };
  sender.current ??= new Sender((answer) => {
    const back = answer.picture && now.current.history.length === 0 && !now.current.pictures.some((one) => one.picture === answer.picture.picture);
    if (back) change({ pictures: [answer.picture, ...now.current.pictures], at: 0 });
    change({ promise: answer.promise ?? now.current.promise, failed: answer.failed ?? "" });
  });

  const here = () => now.current.pictures[now.current.at];
  const chosen = () => {
    const { pictures, marked } = now.current;
    return marked.size ? pictures.filter((one) => marked.has(one.picture)) : here() ? [here()] : [];
  };

  const areLabelled = (ones) => ones.length > 0 && ones.every((one) => one.label !== null);

  function agree() {
    if (areLabelled(chosen())) answer((one) => one.label);
  }

  function answer(labelOf) {
    const { pictures, at, history } = now.current;
    const ones = chosen();
    if (!ones.length) return;
    const answers = ones.map((one) => ({ picture: one.picture, label: labelOf(one) }));
    const label = answers[0].label === CANNOT_TELL ? word("cannot tell") : answers[0].label;
    const answered = ones.length === 1 ? ones[0].file : words("%(num)s picture", "%(num)s pictures", ones.length);
    const gone = new Set(ones.map((one) => one.picture));
    const before = pictures.slice(0, at).filter((one) => gone.has(one.picture)).length;
    const left = pictures.filter((one) => !gone.has(one.picture));
    change({
      pictures: left, at: Math.max(0, Math.min(at - before, left.length - 1)), marked: new Set(), isAsking: false,
      history: [...history, { pictures, at }],
      said: word("%(label)s: %(pictures)s. %(left)s left.", { label, pictures: answered, left: number(left.length) }),
    });
    sender.current.add(...answers);
  }

  function takeBack() {
    const { history, pictures } = now.current;
    const last = history.at(-1);
    if (!last) return sender.current.add("take back");
    change({ ...last, history: history.slice(0, -1), marked: new Set(), isAsking: false, said: word("Taken back.") });
    sender.current.add(...Array(last.pictures.length - pictures.length).fill("take back"));
  }

  function wrong() {
    const ones = chosen();
    if (!areLabelled(ones)) return;
    if (ones.every((one) => one.classes.length === 2)) answer((one) => one.classes.find((name) => name !== one.label));
    else change({ isAsking: true, said: word("Which class is it?") });
  }

  function columns() {
    const items = [...grid.current.children];
    const next = items.findIndex((item) => item.offsetTop > items[0].offsetTop);
    return next < 0 ? items.length : next;
  }

  function move(to, isExtending) {
    const { pictures, at, marked } = now.current;
    const next = Math.max(0, Math.min(to, pictures.length - 1));
    const more = new Set(marked);
    if (isExtending) for (let one = Math.min(at, next); one <= Math.max(at, next); one++) more.add(pictures[one].picture);
    change({ at: next, marked: more });
  }

  function mark(at) {
    const more = new Set(now.current.marked);
    const name = now.current.pictures[at].picture;
    if (!more.delete(name)) more.add(name);
    change({ marked: more, at });
  }

  function onKey(event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if ((event.ctrlKey || event.metaKey) && key === "z") {
      event.preventDefault();
      return takeBack();
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !here()) return;
    if (event.target.closest("button, a, summary") && (key === "Enter" || key === " ")) return;
    const at = now.current.at;
    const class_ = keysOf(here().classes).findIndex((keys) => keys.includes(key));
    const steps = {
      ArrowLeft: () => move(at - 1, event.shiftKey), ArrowRight: () => move(at + 1, event.shiftKey),
      ArrowUp: () => move(at - columns(), event.shiftKey), ArrowDown: () => move(at + columns(), event.shiftKey),
      Home: () => move(0, event.shiftKey), End: () => move(now.current.pictures.length - 1, event.shiftKey),
      Enter: agree, x: wrong, u: () => answer(() => CANNOT_TELL), o: () => answer(() => OTHER),
      " ": () => mark(at), Escape: () => change({ marked: new Set(), isAsking: false, said: "" }),
    };
    const step = class_ >= 0 ? () => answer(() => here().classes[class_]) : steps[key];
    if (step) {
      event.preventDefault();
      step();
    }
  }

  useEffect(() => {
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
  useEffect(() => {
    const item = grid.current?.querySelector("[data-here]");
    if (item && (item.offsetTop < grid.current.scrollTop || item.offsetTop + item.offsetHeight > grid.current.scrollTop + grid.current.clientHeight)) {
      grid.current.scrollTop = item.offsetTop - grid.current.clientHeight / 3;
    }
    for (const one of state.pictures.slice(state.at + 1, state.at + 1 + AHEAD)) new Image().src = `/pictures/${one.picture}/large`;
  }, [state.at, state.pictures]);

  const one = state.pictures[state.at];
  const num = data.num - data.pictures.length + state.pictures.length;
  return html`
    <h1>${num === 0 ? word("Nothing waits for you") : words("One picture waits for you", "%(num)s pictures wait for you", num)}</h1>
    <p>${state.promise}</p>
    ${state.failed && html`<p class="failed" role="alert">${word("Not recorded: %(reason)s. Load the page again.", { reason: state.failed })}</p>`}
    <p class="quiet" role="status">${state.said}</p>
    ${one ? html`<${Desk} one=${one} num=${state.marked.size} isAsking=${state.isAsking}
        areLabelled=${areLabelled(chosen())} answer=${answer} agree=${agree} wrong=${wrong} takeBack=${takeBack} />
    <ul class="waiting" role="listbox" aria-label=${word("Pictures that wait")} aria-multiselectable="true" tabindex="0" ref=${grid}
        aria-activedescendant=${`picture-${one.picture}`}>
      ${state.pictures.map((other, at) => html`<li key=${other.picture} id=${`picture-${other.picture}`} role="option"
          aria-selected=${String(state.marked.has(other.picture))} data-here=${at === state.at ? "" : undefined}
          aria-label=${[other.file, other.label, SHORT[other.why]].filter(Boolean).join(", ")}
          onClick=${(event) => (event.ctrlKey || event.metaKey ? mark(at) : move(at, event.shiftKey))}>
        <img src=${`/pictures/${other.picture}/small`} alt="" loading="lazy" /><span class="why">${SHORT[other.why]}</span>
      </li>`)}
    </ul>
    <${Keys} />` : html`<p>${num > 0 ? html`<a href="/review">${word("Show the next pictures")}</a>` : word("You have answered everything.")}</p>
    <p><button type="button" onClick=${takeBack}>${word("Take back the last answer")} <kbd>Ctrl Z</kbd></button></p>`}`;
}

function Desk({ one, num, isAsking, areLabelled, answer, agree, wrong, takeBack }) {
  const keys = keysOf(one.classes);
  return html`<div class="desk">
    <figure class="stage"><img src=${`/pictures/${one.picture}/large`} alt=${one.file} /></figure>
    <section class="side" aria-label=${word("Answer")}>
      <h2><bdi>${one.file}</bdi></h2>
      <small>${data.titles[one.why]}</small>
      ${one.label !== null && html`<p class="guess">${one.label}<small class="quiet">${word("%(share)s, says the classifier", { share: percent(one.confidence) })}</small></p>`}
      ${isAsking && html`<p class="asking">${word("Which class is it?")}</p>`}
      ${num > 1 && html`<p class="asking">${words("Your answer is for %(num)s marked picture.", "Your answer is for %(num)s marked pictures.", num)}</p>`}
      <div class="answers">
        ${areLabelled && html`<button type="button" class="main" onClick=${agree}>${word("Agree")} <kbd>Enter</kbd></button>
        <button type="button" onClick=${wrong}>${word("Wrong")} <kbd>X</kbd></button>`}
        <div class="classes">
          ${one.classes.map((name, at) => html`<button type="button" key=${name} onClick=${() => answer(() => name)}>${name}
            <kbd>${keys[at].map((key) => key.toUpperCase()).join(" ") || word("click")}</kbd></button>`)}
        </div>
        <button type="button" onClick=${() => answer(() => OTHER)}>${word("None of these")} <kbd>O</kbd></button>
        <button type="button" onClick=${() => answer(() => CANNOT_TELL)}>${word("Cannot tell")} <kbd>U</kbd></button>
        <button type="button" onClick=${takeBack}>${word("Take back")} <kbd>Ctrl Z</kbd></button>
      </div>
    </section>
  </div>`;
}

function Keys() {
  const keys = [
    [word("Arrows"), word("another picture")], [word("Space"), word("mark")], [word("Shift arrows"), word("mark several")], ["Esc", word("mark none")],
    [word("1 to 9"), word("class")], ["Enter", word("agree, except in an audit")], ["X", word("wrong, except in an audit")], ["O", word("none of these")], ["U", word("cannot tell")], ["Ctrl Z", word("take back")],
  ];
  return html`<ul class="keys" aria-label=${word("Keys")}>${keys.map(([key, means]) => html`<li><kbd>${key}</kbd> ${means}</li>`)}</ul>`;
}

const place = document.getElementById("review");
place.replaceChildren();
render(html`<${Review} />`, place);
