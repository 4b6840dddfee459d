import application


def test_sections(tmp_path):
    file = tmp_path / "a.ini"
    file.write_text("[one]\nkey = 1\n[two]\n")
    assert application.sections(str(file)) == ["one", "two"]
