"""`pycompose completion`: the script that makes a shell ask `pycompose __complete` while the user types."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flags.parser import FlagError

if TYPE_CHECKING:
    from argparse import Namespace

    from ..flags.parser import Parser

BASH = r"""# bash completion for pycompose:  source <(pycompose completion bash)
_pycompose() {
    local IFS=$'\n' line word words=() text=${COMP_LINE:0:COMP_POINT}
    # Words as the shell sees them, whatever COMP_WORDBREAKS cuts them at.
    local cur=${COMP_WORDS[COMP_CWORD]}
    local all=("${COMP_WORDS[@]:1:COMP_CWORD}")
    local candidates
    if declare -F _get_comp_words_by_ref >/dev/null; then
        local cword
        _get_comp_words_by_ref -n =: cur words cword
        all=("${words[@]:1:cword}")
    fi
    candidates=$(pycompose __complete "${all[@]}" 2>/dev/null) || return
    COMPREPLY=()
    while read -r line; do
        word=${line%%$'\t'*}
        if [[ $word == :files ]]; then
            COMPREPLY+=($(compgen -f -- "$cur"))
            compopt -o filenames 2>/dev/null
        elif [[ -n $word && $word == "$cur"* ]]; then
            COMPREPLY+=("$word")
        fi
    done <<<"$candidates"
    if declare -F __ltrim_colon_completions >/dev/null; then
        __ltrim_colon_completions "$cur"
    fi
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -F _pycompose pycompose
"""

ZSH = r"""#compdef pycompose
# zsh completion for pycompose:  source <(pycompose completion zsh)
_pycompose() {
    local -a candidates
    local line word text
    while IFS= read -r line; do
        word=${line%%$'\t'*}
        text=${line#*$'\t'}
        if [[ $word == :files ]]; then
            _files
        elif [[ $line == *$'\t'* ]]; then
            candidates+=("${word//:/\\:}:$text")
        elif [[ -n $word ]]; then
            candidates+=("${word//:/\\:}")
        fi
    done < <(pycompose __complete "${(@)words[2,$CURRENT]}" 2>/dev/null)
    (( $#candidates )) && _describe -V pycompose candidates
}
if [[ $funcstack[1] == _pycompose ]]; then
    _pycompose "$@"
else
    compdef _pycompose pycompose
fi
"""

FISH = r"""# fish completion for pycompose:  pycompose completion fish | source
function __pycompose_complete
    set -l words (commandline -opc)[2..-1] (commandline -ct)
    for line in (pycompose __complete $words 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end
complete -c pycompose -f -a '(__pycompose_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def add_arguments(parser: Parser) -> None:
    parser.add_argument("shell", metavar="bash|zsh|fish")


def run(args: Namespace) -> int:
    if args.shell not in SCRIPTS:
        raise FlagError(f"no completion for {args.shell!r}: bash, zsh or fish")
    print(SCRIPTS[args.shell], end="")
    return 0
