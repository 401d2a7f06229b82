// Markdown of the manifest as elements. No HTML passes: what the lexer calls HTML is shown as text.

import { lexer, type Token, type Tokens } from "marked";
import { createElement, Fragment, type ComponentChildren } from "preact";

export function Markdown({ text }: { text: string }) {
  return <>{blocks(lexer(text))}</>;
}

/** One paragraph, for comments: without the block around it. */
export function Inline({ text }: { text: string }) {
  const paragraphs = lexer(text).filter((token) => token.type !== "space");
  return <>{paragraphs.map((token) => inline((token as Tokens.Paragraph).tokens ?? [token]))}</>;
}

function blocks(tokens: Token[]): ComponentChildren {
  return tokens.map((token, index) => <Fragment key={index}>{block(token)}</Fragment>);
}

function block(token: Token): ComponentChildren {
  switch (token.type) {
    case "space":
      return null;
    case "heading":
      // The manifest's documents begin with level 4; here they lie below a heading of level 2.
      return createElement(
        `h${Math.max(3, token.depth - 1)}` as "h3",
        {},
        inline(token.tokens ?? []),
      );
    case "paragraph":
      return <p>{inline(token.tokens ?? [])}</p>;
    case "list": {
      const items = (token as Tokens.List).items.map((item, index) => (
        <li key={index}>{blocks(item.tokens)}</li>
      ));
      return (token as Tokens.List).ordered ? <ol>{items}</ol> : <ul>{items}</ul>;
    }
    case "code":
      return <pre>{token.text}</pre>;
    case "text":
      return token.tokens ? inline(token.tokens) : token.text;
    default:
      return token.raw;
  }
}

function inline(tokens: Token[]): ComponentChildren {
  return tokens.map((token, index) => <Fragment key={index}>{span(token)}</Fragment>);
}

function span(token: Token): ComponentChildren {
  switch (token.type) {
    case "strong":
      return <strong>{inline(token.tokens ?? [])}</strong>;
    case "em":
      return <em>{inline(token.tokens ?? [])}</em>;
    case "codespan":
      return <code>{token.text}</code>;
    case "br":
      return <br />;
    case "link":
      return /^https?:/.test(token.href) ? (
        <a href={token.href} target="_blank" rel="noreferrer">
          {inline(token.tokens ?? [])}
        </a>
      ) : (
        inline(token.tokens ?? [])
      );
    case "escape":
    case "text":
      return token.text;
    default:
      return token.raw;
  }
}
