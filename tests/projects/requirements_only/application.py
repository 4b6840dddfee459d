import iniconfig


def sections(path):
    return [section.name for section in iniconfig.IniConfig(path)]
