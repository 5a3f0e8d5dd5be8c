// Filters and search over the answers that stand on the page.
(() => {
  const section = document.getElementById("answers");
  if (!section) return;
  const cards = [...section.querySelectorAll(".answer")].map((card) => ({ card, text: card.textContent.toLowerCase() }));
  const buttons = [...section.querySelectorAll("[data-keep]")];
  const search = section.querySelector("input");
  const found = section.querySelector(".found");
  const nothing = section.querySelector(".nothing");
  let keep = "all";

  const kept = (card) => keep === "all" || (keep === "cut" ? card.hasAttribute("data-cut") : card.dataset.change === keep);
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const { card, text } of cards) {
      const shown = kept(card) && words.every((word) => text.includes(word));
      card.hidden = !shown;
      count += shown;
    }
    nothing.hidden = count > 0;
    found.textContent = count === cards.length ? "" : `${count} of ${cards.length}`;
  };

  buttons.forEach((button) => button.addEventListener("click", () => {
    keep = button.dataset.keep;
    buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    show();
  }));
  search.addEventListener("input", show);
  section.querySelector(".controls").hidden = false;
})();
