case ${1:-} in
-h | --help) usage ;;
-V | --version) echo "meari-lesson $version" ;;
'') usage | sed -n '/^  1 /,/^  6 /p' ;;
[1-6])
    [ $# -eq 1 ] || die "one experiment at a time, not '$2' as well"
    prepare
    usage | sed -n "s/^  $1  /Experiment $1: /p"
    "experiment_$1"
    ;;
*) die "there is no experiment '$1': try meari-lesson --help" ;;
esac
