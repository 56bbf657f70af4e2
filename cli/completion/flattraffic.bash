# Completion of flattraffic for bash: the program itself says what may follow.
_flattraffic() {
	local word=${COMP_WORDS[COMP_CWORD]} before=("${COMP_WORDS[@]:0:COMP_CWORD}")
	[[ $word == -* ]] && before+=("$word")
	mapfile -t COMPREPLY < <(compgen -W "$("${before[@]}" --generate-bash-completion 2>/dev/null)" -- "$word")
}
complete -o default -F _flattraffic flattraffic
