import old_style


def test_main(capsys):
    assert old_style.main() == 0
    assert capsys.readouterr().out == "old style\n"
