def test_the_first_note_is_there(notes):
    assert notes.all() == ["the first note"]


def test_a_note_is_added(notes):
    notes.add("buy milk")
    assert notes.all() == ["the first note", "buy milk"]


def test_nothing_is_left_of_the_test_before(notes):
    assert notes.all() == ["the first note"]


def test_notes_survive_a_restart_of_everything(notes, stack):
    notes.add("remember me")
    stack.restart()
    stack.wait_healthy()
    assert "remember me" in notes.all()
