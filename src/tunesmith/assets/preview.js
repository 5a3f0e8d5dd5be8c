// Which token is under the pointer or the finger, or reached with the arrow keys: its id, text and weight.
(() => {
  const picked = document.querySelector(".picked");
  const [text, facts] = picked.children;
  let at = null;

  const fact = (name, value) => {
    const pair = document.createElement("div");
    for (const [kind, words] of [["dt", name], ["dd", value]]) {
      const part = document.createElement(kind);
      part.textContent = words;
      pair.append(part);
    }
    return pair;
  };
  const pick = (token) => {
    at?.classList.remove("at");
    at = token;
    picked.hidden = !token;
    if (!token) return;
    token.classList.add("at");
    const learnt = token.tagName === "B";
    text.textContent = token.dataset.t ?? token.textContent;
    facts.replaceChildren(
      fact("id", token.dataset.i), fact("weight", token.dataset.w ?? (learnt ? "1" : "0")),
      fact("", (learnt ? "learnt" : "read, not learnt") + (token.classList.contains("c") ? ", control token" : "")),
    );
  };
  const tokenOf = (event) => event.target.closest?.(".tokens > [data-i]") ?? null;
  const step = (row, by) => {
    const tokens = [...row.querySelectorAll("[data-i]")];
    const next = at && row.contains(at) ? tokens.indexOf(at) + by : 0;
    pick(tokens[Math.min(Math.max(next, 0), tokens.length - 1)]);
    at.scrollIntoView({ block: "nearest" });
  };

  // not pointerover, which comes too when a page scrolls under a pointer that rests
  document.addEventListener("pointermove", (event) => {
    const token = tokenOf(event);
    if (event.pointerType === "mouse" && token !== at) pick(token);
  });
  document.addEventListener("click", (event) => pick(tokenOf(event)));
  document.querySelectorAll(".tokens").forEach((row) => {
    row.addEventListener("keydown", (event) => {
      const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 10, ArrowUp: -10 }[event.key];
      if (!by) return;
      event.preventDefault();
      step(row, by);
    });
    row.addEventListener("blur", () => pick(null));
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") pick(null); });
})();
