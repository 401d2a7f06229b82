// A line of text with suggestions that are loaded when they are first wanted. Any text may be typed.

import { useEffect, useId, useRef, useState } from "preact/hooks";

interface Props {
  id: string;
  label: string;
  value: string;
  onValue: (value: string) => void;
  load: () => Promise<string[]>;
  "aria-describedby": string;
  "aria-invalid": boolean;
  "aria-required": boolean;
}

export function Combobox({ label, value, onValue, load, ...aria }: Props) {
  const list = useId();
  const field = useRef<HTMLInputElement>(null);
  const [isOpen, setOpen] = useState(false);
  const [isTyped, setTyped] = useState(false);
  const [options, setOptions] = useState<string[] | null>(null);
  const [problem, setProblem] = useState("");
  const [active, setActive] = useState(-1);

  useEffect(() => setOptions(null), [load]);

  // All are shown until something is typed: a default is no filter.
  const wanted = isTyped ? value.toLowerCase() : "";
  const shown = (options ?? []).filter((option) => option.toLowerCase().includes(wanted));

  const open = () => {
    setOpen(true);
    setActive(-1);
    if (options !== null) return;
    setProblem("");
    load().then(setOptions, (error: Error) => setProblem(error.message));
  };
  const close = () => {
    setOpen(false);
    setTyped(false);
  };
  const choose = (option: string) => {
    onValue(option);
    close();
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen) open();
      else if (shown.length) {
        const step = event.key === "ArrowDown" ? 1 : -1;
        setActive((active + step + shown.length + (active < 0 && step < 0 ? 1 : 0)) % shown.length);
      }
    } else if (event.key === "Enter" && isOpen && shown[active] && !event.ctrlKey) {
      event.preventDefault();
      choose(shown[active]);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      close();
    }
  };
  useEffect(() => {
    document.getElementById(`${list}-${active}`)?.scrollIntoView({ block: "nearest" });
  }, [active]);

  const status =
    problem ||
    (options === null ? "Loading…" : shown.length ? "" : "None matches; any name may be typed.");
  return (
    <div
      class="combobox"
      onFocusOut={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) close();
      }}
    >
      <input
        {...aria}
        ref={field}
        type="text"
        role="combobox"
        autocomplete="off"
        spellcheck={false}
        aria-autocomplete="list"
        aria-expanded={isOpen}
        aria-controls={list}
        aria-activedescendant={isOpen && active >= 0 ? `${list}-${active}` : undefined}
        value={value}
        onInput={(event) => {
          onValue(event.currentTarget.value);
          setTyped(true);
          if (!isOpen) open();
        }}
        onKeyDown={onKeyDown}
      />
      <button
        type="button"
        class="quiet"
        tabIndex={-1}
        aria-label={`Show choices for ${label}`}
        aria-expanded={isOpen}
        onClick={() => {
          if (isOpen) close();
          else open();
          field.current?.focus();
        }}
      >
        ▾
      </button>
      <div class="popup" hidden={!isOpen}>
        <div id={list} role="listbox" aria-label={`Choices for ${label}`}>
          {shown.map((option, index) => (
            <div
              key={option}
              id={`${list}-${index}`}
              role="option"
              aria-selected={index === active}
              onMouseDown={(event) => event.preventDefault()}
              onClick={() => choose(option)}
            >
              {option}
            </div>
          ))}
        </div>
        <p class="note" role="status">
          {isOpen ? status : ""}
        </p>
      </div>
    </div>
  );
}
