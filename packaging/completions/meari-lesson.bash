# bash completion for meari-lesson
#
# SPDX-License-Identifier: MIT

_meari_lesson()
{
    [[ $COMP_CWORD == 1 ]] || return # one word is all it takes
    COMPREPLY=($(compgen -W '1 2 3 4 5 6 -h --help -V --version' -- "$2"))
}

complete -F _meari_lesson meari-lesson
